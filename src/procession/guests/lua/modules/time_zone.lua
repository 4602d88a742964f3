-- Location { name, fixed offset or nil }: the zones, and what their clocks show.

local kit = ...

local error, ipairs, setmetatable, type = error, ipairs, setmetatable, type
local find, type_of_number = string.find, math.type
local zone_of = kit.zone

local object = kit.module("time_object")
local metatable_of, wrong = object.metatable_of, object.wrong

local LOCATION

local function new_location(name, offset)
  return setmetatable({ name, offset }, LOCATION)
end

local function is_zone(name, offset)
  if offset == nil then
    return type(name) == "string" and #name <= 255 and find(name, "^[%w_+/-]+$") ~= nil
  end
  return type(name) == "string" and #name <= 255 and type_of_number(offset) == "integer"
    and offset > -86400 and offset < 86400
end

-- name, offset; nothing if v is no Location.
local function read_location(v)
  if metatable_of(v) == LOCATION and is_zone(v[1], v[2]) then
    return v[1], v[2]
  end
end

-- offset, abbreviation at an instant
local function zone_at(zone, offset, seconds)
  if offset then
    return offset, zone
  elseif zone ~= "UTC" then
    local found, abbreviation = zone_of(zone, seconds)
    if found then
      return found, abbreviation
    end
  end
  return 0, "UTC"
end

-- The instant at which clocks in a zone show that many seconds since 1970. In a gap, and in the
-- hour that comes twice, it is what Go takes.
local function instant_of(shown, zone, offset)
  local there = zone_at(zone, offset, shown)
  if there ~= 0 then
    there = zone_at(zone, offset, shown - there)
  end
  return shown - there
end

-- The zone of an abbreviation in a location: the offset it stands for near that time, or nil.
local function offset_of_abbreviation(name, shown, zone, offset)
  local found
  for _, days in ipairs({ 0, -1, 1, -91, 91, -182, 182, -273, 273 }) do
    local there, abbreviation = zone_at(zone, offset, shown + days * 86400)
    if abbreviation == name then
      local _, then_valid = zone_at(zone, offset, shown - there)
      if then_valid == name then
        return there
      end
      found = found or there
    end
  end
  return found
end

LOCATION = object.new_kind("Location", function(v)
  return (read_location(v))
end)
object.concatenates(LOCATION)

function LOCATION.__eq(a, b)
  local name, offset = read_location(a)
  local other_name, other_offset = read_location(b)
  return name ~= nil and name == other_name and offset == other_offset
end

local function check_location(v, n, name, default)
  if v == nil and default then
    return default
  end
  local zone, offset = read_location(v)
  if not zone then
    error(wrong(n, name, "Location", v), 3)
  end
  return zone, offset
end

LOCATION.__index = {
  string = function(self)
    local name = check_location(self, 0, "string")
    return name
  end,
}

return {
  new = new_location,
  is_zone = is_zone,
  at = zone_at,
  instant_of = instant_of,
  offset_of_abbreviation = offset_of_abbreviation,
  check = check_location,
}
