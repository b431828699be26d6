// Copyright (C) The ngx_shop authors

// Chromium looks at the page where a customer picks a provider: in three
// languages, on a telephone and on a desk, by keyboard, without scripts, and
// with axe-core, which knows the rules of accessibility.  Prints a line of
// JSON for each check, [ok, name, what was seen], and saves pictures.

import { createRequire } from 'node:module';

import { chromium } from 'playwright-core';

const { source: axe } = createRequire(import.meta.url)('axe-core');

const { url, themed, pictures, executable, provider } =
    JSON.parse(process.argv[2]);

const flags = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync',
];

const screens = {
    telephone: { width: 375, height: 700 },
    desk: { width: 1280, height: 800 },
};

const languages = {
    'en-US': [ 'en', 'Sign in', 'Continue with Company' ],
    'de-AT': [ 'de', 'Anmelden', 'Weiter mit Company' ],
    'fr-FR': [ 'fr', 'Se connecter', 'Continuer avec Company' ],
};

const browser = await chromium.launch({
    executablePath: executable,
    headless: true,
    args: flags,
});


async function open(options) {
    const context = await browser.newContext(options);

    context.setDefaultTimeout(60000);

    return { context, page: await context.newPage() };
}


function check(ok, name, seen) {
    console.log(JSON.stringify([ Boolean(ok), name, String(seen ?? '') ]));
}


function is(seen, wanted, name) {
    check(seen === wanted, name, seen);
}


// what axe-core finds; the page's own policy would not let a script in

async function violations(page) {
    await page.evaluate(axe);

    const found = await page.evaluate(() => axe.run());

    return found.violations
        .map(({ id, nodes }) => `${id}: ${nodes.map(n => n.html)}`)
        .join('\n');
}


for (const [ locale, [ language, title, label ] ]
     of Object.entries(languages)) {

    for (const [ screen, viewport ] of Object.entries(screens)) {

        const { context, page } = await open({ locale, viewport });
        const name = `${language}, ${screen}`;

        await page.goto(`${url}/_shop/login`);

        is(await page.locator('html').getAttribute('lang'), language,
           `${name}: the language is declared`);
        is(await page.title(), title, `${name}: the title`);
        is(await page.locator('h1').innerText(), title,
           `${name}: the heading`);
        is(await page.locator('li a').first().innerText(), label,
           `${name}: the first provider`);
        is(await violations(page), '', `${name}: accessible`);

        const reached = [];

        for (let i = 0; i < 2; i++) {
            await page.keyboard.press('Tab');
            reached.push(await page.locator('a:focus').innerText());
        }

        is(reached.join(', '),
           (await page.locator('li a').allInnerTexts()).join(', '),
           `${name}: the keyboard comes to each provider, in order`);

        is(await page.evaluate(() => document.documentElement.scrollWidth
                                     <= window.innerWidth), true,
           `${name}: nothing is wider than the screen`);

        await page.screenshot({
            path: `${pictures}/chooser-${language}-${screen}.png`,
            fullPage: true,
        });

        await page.goto(`${url}/_shop/nothing`);

        is(await violations(page), '', `${name}: an error is accessible`);

        await context.close();
    }
}


// --- by keyboard only, without scripts ------------------------------------

{
    const { context, page } = await open({
        locale: 'en-US', viewport: screens.desk, javaScriptEnabled: false,
    });

    await page.goto(`${url}/_shop/login?return=/account/`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');

    const focused = page.locator('a:focus');

    is(await focused.innerText(), 'Continue with Other & more',
       'keyboard: the second provider has the focus');
    check(await focused.evaluate(a => getComputedStyle(a).outlineStyle)
          === 'solid', 'keyboard: one sees where the focus is');

    await page.screenshot({ path: `${pictures}/chooser-keyboard.png` });

    // the provider asks nothing, and sends the customer back at once

    const asked = page.waitForRequest(`${provider}/**`);

    await page.keyboard.press('Enter');

    check((await asked).isNavigationRequest(),
          'keyboard: Enter goes to the provider');

    await page.waitForURL(`${url}/account/`);

    is(page.url(), `${url}/account/`, 'keyboard: and it signs in');

    await context.close();
}


// --- a shop's own stylesheet ----------------------------------------------

{
    const { context, page } = await open({
        locale: 'fr-FR', viewport: screens.telephone,
    });

    const complaints = [];

    // about the policy, that is: there is no icon of the shop here

    page.on('console', message => {
        if (/Content.Security.Policy/i.test(message.text())) {
            complaints.push(message.text());
        }
    });

    await page.goto(`${themed}/_shop/login`);

    is(await page.locator('body')
           .evaluate(body => getComputedStyle(body).backgroundColor),
       'rgb(10, 20, 30)', 'theme: a variable of the shop is used');
    is(await page.locator('h1')
           .evaluate(h1 => getComputedStyle(h1).letterSpacing),
       '3px', 'theme: so is a rule');
    is(complaints.join('\n'), '', 'theme: the policy lets it in');

    await page.screenshot({ path: `${pictures}/chooser-themed.png` });
    await context.close();
}

await browser.close();

console.log('finished');
