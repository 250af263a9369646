-- Copyright (c) 2026, llm.host contributors
-- GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- How many tokens a request cost, as Ollama itself says it at the end of the answer. The answer passes as it comes; only its end is kept.
-- It is Lua and not njs, because a filter is called for every piece of every answer, and here that costs a third.

local json = require("cjson.safe")

-- Behind the counters comes at most what clients of /v1/responses call metadata.
local KEPT = 8192
-- How nearly all answers end: no bracket comes behind these counters, so they are not of anything that the model wrote.
local NEAR = 384
local OWN = '^"total_duration":%d+,"load_duration":%d+([%w_,:"]*)}\n?$'
local WHOLE = '^"usage":{"prompt_tokens":(%d+),"completion_tokens":(%d+),"total_tokens":%d+}}\n?$'
local STREAM = '^"choices":%[%],"usage":{"prompt_tokens":(%d+),"completion_tokens":(%d+),"total_tokens":%d+}}\n\ndata: %[DONE%]\n\n$'
local COUNTERS = '"usage":{'
local NONE = '"choices":[]'
local MENTIONS = { '"usage":', '_count":', '"done":true' }
local DATA = "data: "
-- In whose pieces there are no counters, since these come last.
local CHOICES = "]}\n\n"

local function pair(prompt, completion)
  return ("%d %d"):format(tonumber(prompt) or 0, tonumber(completion) or 0)
end

local function has(text, word)
  return text:find(word, 1, true) ~= nil
end

local function part(value, name)
  local found = type(value) == "table" and value[name]
  return type(found) == "table" and found or nil
end

local function of_answer(said, event)
  local usage = part(said, "usage") or part(part(said, "response"), "usage")
  if usage then
    -- The events of a stream of /v1/completions all have counters, which are zeros but for the last one.
    if event and #(part(said, "choices") or {}) > 0 then
      return nil
    end
    return pair(usage.prompt_tokens or usage.input_tokens, usage.completion_tokens or usage.output_tokens)
  end
  if said.done == true or said.embeddings then
    return pair(said.prompt_eval_count, said.eval_count)
  end
  return nil
end

local function last(text, names)
  for _, name in ipairs(names) do
    local number = text:match('^.*"' .. name .. '":(%d+)')
    if number then
      return number
    end
  end
  return nil
end

-- A line whose beginning is not kept any more.
local function of_rest(line)
  local prompt = last(line, { "prompt_eval_count", "prompt_tokens", "input_tokens" })
  local completion = last(line, { "eval_count", "completion_tokens", "output_tokens" })
  return (prompt or completion) and pair(prompt, completion) or nil
end

local function of_line(line)
  local event = line:sub(1, #DATA) == DATA
  local said = json.decode(event and line:sub(#DATA + 1) or line)
  if type(said) == "table" then
    return of_answer(said, event)
  end
  return of_rest(line)
end

local function mentions(line)
  for _, word in ipairs(MENTIONS) do
    if has(line, word) then
      return true
    end
  end
  return false
end

local function search(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  for position = #lines, 1, -1 do
    local found = mentions(lines[position]) and of_line(lines[position])
    if found then
      return found
    end
  end
  return ""
end

local function ending(text, word, pattern)
  local at = text:find(word, -NEAR, true)
  if at then
    return text:match(pattern, at)
  end
end

local function usual(text)
  local own = ending(text, '"total_duration":', OWN)
  if own then
    return pair(own:match('"prompt_eval_count":(%d+)'), own:match('"eval_count":(%d+)'))
  end
  local prompt, completion = ending(text, COUNTERS, WHOLE)
  if not prompt then
    prompt, completion = ending(text, NONE, STREAM)
  end
  return prompt and pair(prompt, completion)
end

-- The tokens of prompt and completion, with a space between; empty where the answer does not say it.
local function tokens(pieces)
  local text = table.concat(pieces, "", pieces.first, pieces.last)
  return usual(text) or search(text:sub(-KEPT))
end

local function remember(pieces, piece)
  pieces.last = pieces.last + 1
  pieces[pieces.last] = piece
  pieces.size = pieces.size + #piece
  while pieces.size - #pieces[pieces.first] >= KEPT do
    pieces.size = pieces.size - #pieces[pieces.first]
    pieces[pieces.first] = nil
    pieces.first = pieces.first + 1
  end
end

local function seen()
  local context = ngx.ctx
  context.llm_pieces = context.llm_pieces or { first = 1, last = 0, size = 0 }
  return context.llm_pieces
end

-- For the log. An answer is never lost for that its tokens could not be counted.
local function tell(pieces)
  local counted, found = pcall(tokens, pieces)
  if counted then
    ngx.var.llm_tokens = found
  else
    ngx.log(ngx.ERR, "cannot count tokens: ", found)
  end
end

local function without_counters(events)
  if not has(events, COUNTERS) then
    return events
  end
  return (events:gsub("[^\n]+\n*", function(event)
    if has(event, COUNTERS) then
      return has(event, NONE) and "" or event:gsub(',"usage":{[^{}]*}(}\n*)$', "%1")
    end
  end))
end

-- What may go on: whole events pass at once, and the beginning of one waits for the rest.
local function passing(pieces, text, ended)
  local _, whole = text:find("^.*\n\n")
  whole = ended and #text or whole or 0
  pieces.held = whole < #text and text:sub(whole + 1) or nil
  return without_counters(text:sub(1, whole))
end

local usage = {}

-- A body filter: what passes is only looked at.
function usage.count()
  local pieces = seen()
  remember(pieces, ngx.arg[1])
  if ngx.arg[2] then
    tell(pieces)
  end
end

-- A body filter for what nginx may have asked for the counters: the client sees what it would have seen if it had not.
function usage.strip()
  local pieces = seen()
  if pieces.asked == nil then
    pieces.asked = ngx.var.llm_asking == "1" and has(ngx.header.content_type or "", "text/event-stream")
  end
  if not pieces.asked then
    return usage.count()
  end
  local piece, ended = ngx.arg[1], ngx.arg[2]
  remember(pieces, piece)
  if pieces.held or piece:sub(-#CHOICES) ~= CHOICES then
    ngx.arg[1] = passing(pieces, (pieces.held or "") .. piece, ended)
  end
  if ended then
    tell(pieces)
  end
end

return usage
