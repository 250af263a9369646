-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- GET /v1/models, /api/tags and /api/ps: what all instances have together.

local instances = require("instances")
local models = require("models")

-- Instances of one host have one library; each has a memory of its own.
local function source(instance, path)
  return path == "/api/ps" and instance.name or instance.address:gsub(":%d+$", "")
end

local function collect(path)
  local entries, names, sources, answered = {}, {}, {}, false
  for _, pool in ipairs(models.pools()) do
    for _, instance in ipairs(instances.serving(pool)) do
      local body = not sources[source(instance, path)] and instances.get(instance, path)
      if body then
        answered = true
        sources[source(instance, path)] = true
        for _, entry in ipairs(models.entries(body)) do
          if entry.name and not names[entry.name] then
            names[entry.name] = true
            entries[#entries + 1] = entry.text
          end
        end
      end
    end
  end
  return answered and table.concat(entries, ",")
end

core.register_service("lists", "http", function(applet)
  local entries = collect(applet.path)
  local openai = applet.path:find("^/v1/")
  local body
  if not entries then
    body = openai and '{"error":{"message":"No model server answers.","type":"api_error","param":null,"code":"backend_unreachable"}}'
      or '{"error":"No model server answers."}'
  else
    body = (openai and '{"object":"list","data":[%s]}' or '{"models":[%s]}'):format(entries)
  end
  applet:set_status(entries and 200 or 503)
  applet:add_header("Content-Type", openai and "application/json" or "application/json; charset=utf-8")
  applet:add_header("Content-Length", tostring(#body))
  applet:start_response()
  applet:send(body)
end)
