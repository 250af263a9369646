-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Names of models, which pools have them, and the lists of them that Ollama gives.

local models = {}

-- From declared models, in the form of models.key, to the pools that have them.
local POOLS = "/etc/llm-balancer/models.map"
local REGISTRY = "registry.ollama.ai"
local declared, everywhere = nil, {}

core.register_init(function()
  declared = Map.new(POOLS, Map._str)
end)

-- One form for all spellings of [host/][namespace/]model[:tag]; nil for what is none.
function models.key(name)
  if type(name) ~= "string" or name == "" or #name > 600 then
    return nil
  end
  local path, last = name:match("^(.*)/([^/]*)$")
  local model, tag = (last or name):match("^([^:]+):?([^:]*)$")
  if not model then
    return nil
  end
  local host, namespace = (path or ""):match("^(.*)/([^/]+)$")
  namespace = namespace or (path ~= "" and path) or "library"
  return ("%s/%s/%s:%s"):format(host or REGISTRY, namespace, model, tag ~= "" and tag or "latest"):lower()
end

function models.declared(model)
  return declared:lookup(model) ~= nil
end

-- The names of the pools that have a model; of all pools where the inventory does not say.
function models.pools(model)
  local found = {}
  for name in (model and declared:lookup(model) or ""):gmatch("[^,]+") do
    found[#found + 1] = name
  end
  if #found > 0 then
    return found
  end
  if #everywhere == 0 then
    for name in pairs(core.backends) do
      if name == "instances" or name:find("^pool%-") then
        everywhere[#everywhere + 1] = name
      end
    end
    table.sort(everywhere)
  end
  return everywhere
end

-- The entries of a list as Ollama sends it: the text of each JSON object, and its name. No name has a brace or a quotation mark.
function models.entries(list)
  local found = {}
  for text in (list:match("%b[]") or ""):gmatch("%b{}") do
    found[#found + 1] = {text = text, name = text:match('"name"%s*:%s*"([^"]+)"') or text:match('"id"%s*:%s*"([^"]+)"')}
  end
  return found
end

-- The set of the names in such a list, in the form of models.key.
function models.listed(list)
  local found = {}
  for _, entry in ipairs(models.entries(list)) do
    found[models.key(entry.name) or ""] = true
  end
  return found
end

return models
