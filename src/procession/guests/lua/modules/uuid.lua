-- The module `uuid`. All texts are in lower case.

local kit = ...

local type = type
local host, outcome = kit.host, kit.outcome
local check = kit.module("check")

local uuid = {
  NAMESPACE_DNS = "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
  NAMESPACE_URL = "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
  NAMESPACE_OID = "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
  NAMESPACE_X500 = "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
}

function uuid.v1()
  return host.uuid_v1()
end

function uuid.v4()
  return host.uuid_v4()
end

function uuid.v7()
  return host.uuid_v7()
end

function uuid.v3(namespace, name)
  return outcome(nil, host.uuid_v3(check.string(namespace, 1, "v3"), check.string(name, 2, "v3")))
end

function uuid.v5(namespace, name)
  return outcome(nil, host.uuid_v5(check.string(namespace, 1, "v5"), check.string(name, 2, "v5")))
end

-- Whether anything is a UUID: false also for what is no string.
function uuid.validate(v)
  return type(v) == "string" and host.uuid_validate(v)
end

function uuid.parse(text)
  local ok, a, b, c, d, e = host.uuid_parse(check.string(text, 1, "parse"))
  if ok then
    return kit.carried(a, b)
  end
  return outcome(nil, ok, a, b, c, d, e)
end

function uuid.version(text)
  return outcome(nil, host.uuid_version(check.string(text, 1, "version")))
end

function uuid.variant(text)
  return outcome(nil, host.uuid_variant(check.string(text, 1, "variant")))
end

function uuid.format(text, form)
  text = check.string(text, 1, "format")
  form = form == nil and "standard" or check.string(form, 2, "format")
  return outcome(nil, host.uuid_format(text, form))
end

return uuid
