#!/bin/sh
# An agent of one's own in shell and curl: registers, follows the events, takes its tasks, reports their results.
# Needs AGENTCONF_URL (https://127.0.0.1:8443), AGENTCONF_TOKEN and AGENTCONF_CA (the file pki/ca.pem of the server).
set -eu
NAME=shell-agent
TASKS=data/magent-task:interaction/tasks

ask() { # PATH [JSON] [OPTION...]: what curl says; the token goes through standard input, where ps does not see it
  path=$1 json=${2-}
  shift "$(($# > 2 ? 2 : $#))"
  printf 'header = "Authorization: Bearer %s"\n' "$AGENTCONF_TOKEN" | curl -K - -sS --fail-with-body --cacert "$AGENTCONF_CA" \
    -H 'Content-Type: application/yang-data+json' ${json:+--data-raw "$json"} "$@" "$AGENTCONF_URL/restconf/$path"
}
field() { sed -nE 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/p'; } # the text of a member, still escaped as in JSON
work() { printf '{"content":"Done: %s"}' "$(field content)"; } # the place for what the agent can do

ask operations/magent-registry:register-agent '{"magent-registry:input":{"name":"'$NAME'",
  "description":"Does what it is told","version":"1.0.0","provider":"me","lifetime":86400}}' >&2
# From the first event on, so that nothing is missed; a task that was taken before is no longer "created".
ask streams/NETCONF/json '' -N -H 'Last-Event-ID: 0' | while read -r line; do
  case $line in *magent-task:task-event*'"event":"created"'*'"to":"'$NAME'"'*) ;; *) continue ;; esac
  task=$(printf '%s\n' "$line" | field task)
  case $task in '' | *[!A-Za-z0-9._-]*) continue ;; esac # the server's own choice is a UUID
  order=$(ask "$TASKS/task=$task?fields=status;content") || continue
  case $order in *'"status":"created"'*) ;; *) continue ;; esac
  ask "$TASKS/task=$task/report" '{"magent-task:input":{"status":"processing"}}' >&2
  ask "$TASKS/task=$task/report" '{"magent-task:input":{"status":"finished","result":'"$(printf '%s\n' "$order" | work)"'}}' >&2
done
