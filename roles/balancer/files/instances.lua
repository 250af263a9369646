-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The instances of Ollama that take requests, and what they say themselves. It runs on Lua 5.3 (HAProxy 2.6) and 5.4.

local instances = {}

-- Seconds. Who does not answer within them is left out.
local TIMEOUT = 3

-- Those of a pool that are up and not drained, in the order of their names: {pool, name, address, slots, busy}. Who waits for any of them counts
-- as a part for each.
function instances.serving(pool)
  local found, waiting = {}, core.backends[pool]:get_stats().qcur or 0
  for name, server in pairs(core.backends[pool].servers) do
    local stats = server:get_stats()
    if stats.status:find("^UP") then
      local busy = (stats.scur or 0) + (stats.qcur or 0)
      found[#found + 1] = {pool = pool, name = name, address = server:get_addr(), slots = stats.slim or 1, busy = busy}
    end
  end
  for _, instance in ipairs(found) do
    instance.busy = instance.busy + waiting / #found
  end
  table.sort(found, function(one, other) return one.name < other.name end)
  return found
end

-- The body of an instance's answer, or nil. HAProxy itself connects to it, the way it does for requests.
function instances.get(instance, path)
  local socket = core.tcp()
  socket:settimeout(TIMEOUT)
  local reply
  if socket:connect("abns@llm-balancer-ask") then
    local head = "GET %s HTTP/1.0\r\nHost: localhost\r\nUser-Agent: llm-balancer\r\nX-LLM-Pool: %s\r\nX-LLM-Server: %s\r\n\r\n"
    socket:send(head:format(path, instance.pool, instance.name))
    reply = socket:receive("*a")
  end
  socket:close()
  return reply and reply:match("^HTTP/1%.%d 200.-\r\n\r\n(.*)$")
end

return instances
