
-- Copyright (C) The ngx_shop authors

-- What a shop would write by hand for lua-nginx: the same cookie, opened
-- with the same key, the same two reads in one round trip over a kept
-- connection, the same four headers.  It does without what takes longest to
-- write: logins, tiers worked out for each request, idle sessions, and
-- changes that reach the cache.
--
-- remember() is the same with a shared dictionary in front of all of it.

local ffi = require "ffi"
local bit = require "bit"

local C = ffi.C
local byte, sub, find = string.byte, string.sub, string.find

local M = {}

ffi.cdef [[
    typedef struct evp_cipher_ctx_st  EVP_CIPHER_CTX;
    typedef struct evp_cipher_st      EVP_CIPHER;
    typedef struct engine_st          ENGINE;

    EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
    const EVP_CIPHER *EVP_aes_256_gcm(void);
    int EVP_DecryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
        ENGINE *engine, const unsigned char *key, const unsigned char *iv);
    int EVP_DecryptUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *len,
        const unsigned char *in, int in_len);
    int EVP_DecryptFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out,
        int *len);
    int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg,
        void *p);
    unsigned char *SHA256(const unsigned char *data, size_t len,
        unsigned char *digest);
]]

local EVP_CTRL_AEAD_SET_TAG = 0x11

local cipher = C.EVP_CIPHER_CTX_new()
local plain = ffi.new("unsigned char[512]")
local digest = ffi.new("unsigned char[32]")
local len = ffi.new("int[1]")
local tag = ffi.new("unsigned char[16]")

local host, redis_port


-- key is that of the purpose "session", as hexadecimal digits

function M.setup(key, shop, port)
    host, redis_port = shop, port

    key = key:gsub("..", function(hex)
        return string.char(tonumber(hex, 16))
    end)

    assert(C.EVP_DecryptInit_ex(cipher, C.EVP_aes_256_gcm(), nil, key, nil)
           == 1)
end


-- base64url of: 1, hint of 4, IV of 12, text, tag of 16

local function open(value)
    local sealed = value:gsub("-", "+"):gsub("_", "/")

    sealed = ngx.decode_base64(sealed .. ("="):rep(-#sealed % 4))

    if not sealed or #sealed < 33 + 40 or #sealed > 512 then
        return nil
    end

    local text = sub(sealed, 18, -17)

    ffi.copy(tag, sub(sealed, -16), 16)

    if C.EVP_DecryptInit_ex(cipher, nil, nil, nil, sub(sealed, 6, 17)) ~= 1
       or C.EVP_DecryptUpdate(cipher, nil, len, host, #host) ~= 1
       or C.EVP_DecryptUpdate(cipher, plain, len, text, #text) ~= 1
       or C.EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, tag) ~= 1
       or C.EVP_DecryptFinal_ex(cipher, plain + #text, len) ~= 1
    then
        return nil
    end

    C.SHA256(plain + 8, 32, digest)

    return ffi.string(plain + 40, #text - 40), ffi.string(digest, 32)
end


local function crc16(text)
    local crc = 0

    for i = 1, #text do
        crc = bit.bxor(crc, bit.lshift(byte(text, i), 8))

        for _ = 1, 8 do
            crc = bit.lshift(crc, 1)

            if bit.band(crc, 0x10000) ~= 0 then
                crc = bit.bxor(crc, 0x11021)
            end
        end
    end

    return crc
end


local function hex(bytes)
    return (bytes:gsub(".", function(c)
        return string.format("%02x", byte(c))
    end))
end


local function command(...)
    local words = { ... }
    local parts = { "*", #words, "\r\n" }

    for _, word in ipairs(words) do
        parts[#parts + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
    end

    return table.concat(parts)
end


-- an array of texts

local function reply(socket)
    local n = tonumber(assert(socket:receive("*l")):match("^%*(%d+)$"))
    local values = {}

    for i = 1, n do
        local line = assert(socket:receive("*l"))
        local size = tonumber(line:match("^%$(%-?%d+)$"))

        if size >= 0 then
            values[i] = sub(assert(socket:receive(size + 2)), 1, -3)
        end
    end

    return values
end


local function read(id, hash)
    local tail = ":{" .. crc16(id) % 64 .. "}:" .. id
    local socket = ngx.socket.tcp()

    socket:settimeouts(500, 500, 500)
    assert(socket:connect("127.0.0.1", redis_port))

    assert(socket:send({
        command("HMGET", "shop:session" .. tail .. ":" .. hex(hash),
                "provider", "expires"),
        command("HMGET", "shop:view" .. tail, "tier", "points"),
    }))

    local session, view = reply(socket), reply(socket)

    assert(socket:setkeepalive(60000, 64))

    if not session[1] or tonumber(session[2]) < ngx.time() then
        return nil
    end

    return session[1], view[1], view[2]
end


local function tell(id, provider, tier, points)
    ngx.req.set_header("X-Customer-Id", id)
    ngx.req.set_header("X-Customer-Provider", provider)
    ngx.req.set_header("X-Loyalty-Tier", tier)
    ngx.req.set_header("X-Loyalty-Points", points)

    -- the session's cookie is the only one here

    ngx.req.clear_header("Cookie")
end


function M.ask()
    local cookie = ngx.var.cookie_shop
    local id, hash

    if cookie then
        id, hash = open(cookie)
    end

    if id then
        tell(id, read(id, hash))
    end
end


function M.remember()
    local cookie = ngx.var.cookie_shop
    local cache = ngx.shared.sessions
    local known = cookie and cache:get(cookie)

    if known then
        tell(known:match("^(.-)|(.-)|(.-)|(.*)$"))
        return
    end

    local id, hash

    if cookie then
        id, hash = open(cookie)
    end

    if id then
        local provider, tier, points = read(id, hash)

        cache:set(cookie, table.concat({ id, provider, tier, points }, "|"),
                  60)
        tell(id, provider, tier, points)
    end
end


return M
