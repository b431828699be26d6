// Copyright (C) The ngx_shop authors

// Chromium clicks through the demo.  Prints a line of JSON for each check,
// [ok, name, what was seen], and saves pictures.

import { chromium } from 'playwright-core';

const { url, profile, pictures, executable } = JSON.parse(process.argv[2]);

const flags = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync',
];

let nprofiles = 0;


// a browser that was never used

async function open(options = {}) {
    const context = await chromium.launchPersistentContext(
        `${profile}/${++nprofiles}`, {
            executablePath: executable,
            headless: true,
            args: flags,
            viewport: { width: 960, height: 800 },
            ...options,
        });

    context.setDefaultTimeout(30000);

    const page = context.pages()[0] ?? await context.newPage();

    return { context, page };
}


function check(ok, name, seen) {
    console.log(JSON.stringify([ Boolean(ok), name, String(seen ?? '') ]));
}


function is(seen, wanted, name) {
    check(seen === wanted, name, seen);
}


const text = async (page, selector) =>
    await page.locator(selector).count()
        ? page.locator(selector).first().innerText() : '';

const told = (page, header) =>
    page.locator('tr', { has: page.getByText(header, { exact: true }) })
        .locator('td').innerText();

const picture = (page, name) =>
    page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });

const path = page => page.url().slice(url.length);

const choose = (page, name) =>
    Promise.all([
        page.waitForURL(`${url}/**`),
        page.getByRole('link', { name }).click(),
    ]);


async function signOut(page) {
    await Promise.all([
        page.waitForURL(`${url}/`),
        page.locator('#sign-out').click(),
    ]);
}


async function isStranger(page, name) {
    is(await page.locator('#tier').count(), 0, `${name}: no tier is shown`);
    is(await told(page, 'X-Customer-Id'), 'not sent',
       `${name}: the storefront was told of nobody`);
}


async function isCustomer(page, tier, name) {
    is(await text(page, '#tier'), tier, `${name}: the page says ${tier}`);
    is(await told(page, 'X-Loyalty-Tier'), tier,
       `${name}: so did the header`);
}


// --- the way of most: look around, sign in, see one's account, sign out ----

const { context, page } = await open();
const callbacks = [];
const complaints = [];

page.on('request', request => {
    if (request.url().includes('/_shop/callback/')) {
        callbacks.push(request.url());
    }
});

page.on('pageerror', error => complaints.push(String(error)));
page.on('console', message => {
    if (message.type() === 'error') {
        complaints.push(message.text());
    }
});

await page.goto(`${url}/`);
await isStranger(page, 'at first');
await picture(page, '1-stranger');

await page.locator('main').getByRole('link', { name: 'Sign in' }).click();
await page.waitForURL('http://localhost:*/authorize?*');
check(!page.url().startsWith(url), 'the provider is another site',
      page.url().split('?')[0]);
await picture(page, '2-provider');

const chooser = page.url();

await choose(page, 'Greta');
is(path(page), '/', 'the sign-in comes back to where it began');
await isCustomer(page, 'gold', 'Greta');
is(await text(page, '#points'), '6435', 'Greta: points, with those of today');
is(await told(page, 'X-Loyalty-Points'), '6435', 'Greta: so said the header');
is(await told(page, 'X-Promotion'), 'GOLD-15,SILVER-5',
   'Greta: promotions, the best one first');
is(await text(page, '#provider'), 'demo', 'Greta: who said so');
check(/^[0-9a-f]{32}$/.test(await text(page, '#customer')),
      'Greta: a customer id', await text(page, '#customer'));
is(await told(page, 'Cookie'), 'not sent',
   'the storefront never sees the session');

await page.locator('#me', { hasText: '"customer"' }).waitFor();
const me = JSON.parse((await text(page, '#me')).replace(/^GET \S+\s/, ''));
is(me.tier, 'gold', 'a script is told the same');
is(me.identities[0].email, 'greta@example.com', 'and the rest of it');
await picture(page, '3-gold');

const cookies = await context.cookies();
const session = cookies.find(cookie => cookie.name === 'shop');
check(session?.httpOnly && session?.sameSite === 'Lax',
      'no script reads the cookie of the session',
      JSON.stringify({ ...session, value: '' }));
is(cookies.filter(cookie => cookie.domain === '127.0.0.1')
       .map(cookie => cookie.name).sort().join(' '),
   'shop shop-login-lastused',
   'that of the attempt is gone, the name of the provider is kept');

await page.getByRole('link', { name: 'Account', exact: true }).click();
is(path(page), '/account/', 'the account is a page for customers');
await isCustomer(page, 'gold', 'the account');
await picture(page, '4-account');


// --- the back button ------------------------------------------------------

await page.goBack();
is(path(page), '/', 'back: the front page');
await isCustomer(page, 'gold', 'back');

await page.goBack();
is(page.url(), chooser, 'back twice: the provider');

// another choice there replays a callback that was answered

await choose(page, 'Sam');
await isCustomer(page, 'gold', 'an old attempt once more');

await page.goto(callbacks[0]);
is(path(page), '/', 'the callback again: goes on');
await isCustomer(page, 'gold', 'the callback again');

await page.goto(`${url}/account/`);
await signOut(page);
await isStranger(page, 'signed out');

await page.goBack();
is(await page.locator('#tier').count(), 0,
   'signed out, back: nothing of the account is shown');
await page.goto(callbacks[0]);
check(/attempt_spent|state_/.test(await text(page, 'main, body')),
      'signed out, the callback again: refused',
      await text(page, 'body'));
await picture(page, '5-callback-again');

is(complaints.filter(text => !/status of (400|401)/.test(text)).join('\n'),
   '', 'the browser had nothing to complain about');


// --- a page that wants a customer; another persona ------------------------

await page.goto(`${url}/account/`);
is(path(page).replace(/\?.*/, ''), '/_shop/login',
   'a stranger at the account: asked to sign in');
await picture(page, '6-chooser');

await page.getByRole('link', { name: 'Demo account' }).click();
await choose(page, 'Sam');
is(path(page), '/account/', 'then let in');
await isCustomer(page, 'silver', 'Sam');
is(await told(page, 'X-Loyalty-Points'), '1255', 'Sam: points');
is(await told(page, 'X-Promotion'), 'SILVER-5', 'Sam: promotions');
await picture(page, '7-silver');
await signOut(page);


// --- who says no ----------------------------------------------------------

await page.locator('#sign-in').click();
await page.getByRole('link', { name: 'Demo account' }).click();
await choose(page, "None of the shop's business");
check((await text(page, 'body')).includes('access_denied'),
      'a refusal: a page that says so', await text(page, 'body'));
await picture(page, '8-denied');

await page.goto(`${url}/`);
await isStranger(page, 'after a refusal');
await context.close();


// --- a new customer, on a telephone, without scripts ----------------------

{
    const { context, page } = await open({
        javaScriptEnabled: false,
        viewport: { width: 375, height: 700 },
    });

    await page.goto(`${url}/`);
    await picture(page, '9-telephone-stranger');
    await page.locator('#sign-in').click();
    await page.getByRole('link', { name: 'Demo account' }).click();
    await picture(page, '9-telephone-provider');
    await choose(page, 'Nora');
    await isCustomer(page, 'bronze', 'Nora');
    is(await text(page, '#points'), '105', 'Nora: points of a welcome');
    is(await told(page, 'X-Promotion'), 'WELCOME-10', 'Nora: promotions');
    await picture(page, '9-telephone-new');

    // an order, and back

    await page.getByRole('button', { name: 'Buy: Reading chair' }).click();
    is(path(page), '/account/', 'an order: the account');
    is(await text(page, '#points'), '455', 'an order: points for it');
    is(await told(page, 'X-Promotion'), 'not sent',
       'an order: nobody is new any more');
    check((await text(page, '#event')).includes('"status":"booked"'),
          'an order: booked', await text(page, '#event'));
    await picture(page, '9-telephone-order');

    await page.getByRole('button', { name: 'Give back' }).click();
    is(await text(page, '#points'), '105', 'given back: no points for it');

    // two tabs, each with an attempt of its own

    await signOut(page);

    const other = await context.newPage();

    for (const tab of [ page, other ]) {
        await tab.goto(`${url}/_shop/login/demo?return=/account/`);
        await tab.waitForURL('http://localhost:*/authorize?*');
    }

    await choose(page, 'Nora');
    await isCustomer(page, 'bronze', 'the first of two tabs');
    await choose(other, 'Sam');
    await isCustomer(other, 'silver', 'the second of two tabs');

    await page.reload();
    await isCustomer(page, 'silver', 'the first one, loaded again');
    is(await told(page, 'X-Loyalty-Points'), '1255',
       'the points of a day are given once');

    await context.close();
}

console.log('finished');
