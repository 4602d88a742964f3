-- What programs can call: the paths of all functions, and the methods of samples by trying words.

local function main(words, samples)
  local paths, seen = {}, { [_G] = true }
  local function walk(t, prefix)
    for key, v in pairs(t) do
      if type(key) == "string" and key:find("^[%a_][%w_]*$") then
        if type(v) == "function" then
          paths[#paths + 1] = prefix .. key
        elseif type(v) == "table" and not seen[v] then
          seen[v] = true
          walk(v, prefix .. key .. ".")
        end
      end
    end
  end
  for _, name in ipairs(MODULES) do
    local _ = _G[name]
  end
  walk(_G, "")
  local methods = {}
  for i, make in ipairs(SAMPLES) do
    local object, found = make(), {}
    if object == nil then
      error("no sample " .. i)
    end
    for _, word in ipairs(words) do
      local ok, f = pcall(function()
        return object[word]
      end)
      if ok and type(f) == "function" then
        found[#found + 1] = word
      end
    end
    methods[i] = found
  end
  table.sort(paths)
  return { paths = paths, methods = methods }
end

return { main = main }
