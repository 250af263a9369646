-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Which pool a request goes to, and which of its instances: one that has the model in memory, unless all of these are busy and another one is not.

local instances = require("instances")
local models = require("models")

-- What it costs to load a model, as a share of an instance's slots that are busy: nearly all of them.
local LOADING = 0.99
-- Seconds between two looks into the memory of an instance, and for how long a model that was sent there counts as loaded without being seen.
local LOOK = 2
local PROMISE = 10

-- By pool and name of an instance: the models in its memory, until when those count that are on their way, and how often others made room for them.
local loaded, promised, moved, asked = {}, {}, {}, true

local function key(instance)
  return instance.pool .. " " .. instance.name
end

local function seen(instance, model)
  return not model or (loaded[key(instance)] or {})[model]
end

local function has(instance, model)
  local ends = (promised[key(instance)] or {})[model]
  return seen(instance, model) or (ends and ends > core.now().sec)
end

local function size(set)
  local count = 0
  for _ in pairs(set or {}) do
    count = count + 1
  end
  return count
end

-- From 0 to 1: where models that nobody has yet find their place, the same one after a restart.
local function place(text)
  local hash = 5381
  for position = 1, #text do
    hash = (hash * 33 + text:byte(position)) % 1000003
  end
  return hash / 1000003
end

-- Who is seen to have it comes before who was to load it: that one may have been given another model since, by a process before or after a reload.
local function cost(instance, model)
  local home = 0
  if not has(instance, model) then
    home = LOADING + size(loaded[key(instance)]) / 1000
  elseif not seen(instance, model) then
    home = 1 / 5000
  end
  return instance.busy / instance.slots + home + place((model or "") .. key(instance)) / 10000
end

-- It counts as loaded at once, and what else was there as gone until it is seen again.
local function promise(instance, model)
  local name = key(instance)
  if not has(instance, model) then
    loaded[name], promised[name] = {}, {}
    moved[name] = (moved[name] or 0) + 1
  end
  loaded[name], promised[name] = loaded[name] or {}, promised[name] or {}
  loaded[name][model] = true
  promised[name][model] = core.now().sec + PROMISE
end

-- The nearest instance, and whether any other of its pool is as near, so that who waits is best served by whoever is free first.
local function choose(pools, model)
  local best, least, any = nil, math.huge, true
  for _, pool in ipairs(pools) do
    local everywhere, nearest = true, false
    for _, instance in ipairs(instances.serving(pool)) do
      local price = cost(instance, model)
      if price < least then
        best, least, nearest = instance, price, true
      end
      everywhere = everywhere and has(instance, model)
    end
    if nearest then
      any = everywhere
    end
  end
  return best, any
end

-- A form says it in a field of its own, JSON was read before.
local function asked_for(txn)
  if txn.f:path() == "/v1/audio/transcriptions" then
    return (txn.f:req_body() or ""):match('name="?model"?[^\r\n]*\r\n\r\n([^\r\n]+)')
  end
  return txn:get_var("txn.model")
end

core.register_action("route", {"http-req"}, function(txn)
  local model = models.key(asked_for(txn))
  -- What need not be in memory goes to whoever has least to do.
  local memory = txn:get_var("txn.affinity") and model or nil
  local best, any
  if not model then
    best, any = choose({txn:get_var("txn.richest")})
  end
  if not best then
    best, any = choose(models.pools(model), memory)
  end
  if not best then
    return
  end
  txn:set_var("txn.pool", best.pool)
  asked = asked or memory ~= nil
  if any or not (models.declared(memory) or has(best, memory)) then
    return
  end
  txn:set_var("txn.server", best.name)
  -- Whoever asks for what does not exist changes nothing.
  if models.declared(memory) then
    promise(best, memory)
  end
end)

-- Ollama writes a line into its log whenever it is asked, so nobody is asked while nothing goes on. A process that was reloaded does not see what
-- goes on, and may still be given requests.
core.register_task(function()
  while true do
    if asked or core.get_info().Stopping == 1 then
      asked = false
      for _, pool in ipairs(models.pools()) do
        for _, instance in ipairs(instances.serving(pool)) do
          local name = key(instance)
          local before = moved[name]
          local body = instances.get(instance, "/api/ps")
          -- What it said before another model was sent there counts no more.
          if body and moved[name] == before then
            loaded[name] = models.listed(body)
          end
        end
      end
    end
    core.sleep(LOOK)
  end
end)
