-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Prometheus' metrics of each user, which HAProxy's own do not have.

local METRICS = {
  {
    name = "llm_balancer_user_requests", type = "gauge", table = "users", column = "conn_cur",
    help = "Requests of a user that run or wait.",
  },
  {
    name = "llm_balancer_user_requests_total", type = "counter", table = "users", column = "gpc0",
    help = "Requests of a user that were let in, since the user was last away for an hour or HAProxy was loaded.",
  },
  {
    name = "llm_balancer_user_refused_total", type = "counter", table = "refusals", column = "gpc0",
    help = "Requests of a user that were refused, by reason, since the last one a day before or since HAProxy was loaded.",
  },
}

local function quoted(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

-- What was refused is kept by reason and user, with a space between them.
local function labels(metric, key)
  if metric.table == "users" then
    return "user=" .. quoted(key)
  end
  local reason, user = key:match("^(%S+) (.*)$")
  return ("user=%s,reason=%s"):format(quoted(user), quoted(reason))
end

core.register_service("users", "http", function(applet)
  local lines = {}
  for _, metric in ipairs(METRICS) do
    lines[#lines + 1] = ("# HELP %s %s\n# TYPE %s %s"):format(metric.name, metric.help, metric.name, metric.type)
    for key, row in pairs(core.backends[metric.table].stktable:dump()) do
      lines[#lines + 1] = ("%s{%s} %d"):format(metric.name, labels(metric, key), row[metric.column])
    end
  end
  local body = table.concat(lines, "\n") .. "\n"
  applet:set_status(200)
  applet:add_header("Content-Type", "text/plain; version=0.0.4")
  applet:add_header("Content-Length", tostring(#body))
  applet:start_response()
  applet:send(body)
end)
