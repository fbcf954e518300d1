# shellcheck shell=bash
# Many senders at once, and what became of their messages. To be sourced after lib/demo.sh.
#
# A demo defines `send TEXT W`, which prints the answer to the message, as `201 {"id":0,…}`.

concerns=(1 2 3 '"majority"')

# start_senders NUMBER EACH: so many senders, each with so many messages, with w=1, 2, 3 and majority in turn
start_senders() {
  local n
  senders=$1 each=$2
  for n in $(seq "$senders"); do sender "$n" & done
}
# Writes a line for each of its messages: text, status and body.
sender() {
  local n text
  for n in $(seq "$each"); do
    text="sender$1-$n"
    echo "$text $(send "$text" "${concerns[$(((n + $1) % 4))]}")" >>"$work/sent.$1"
  done
  touch "$work/sent.$1.all"
}
all_sent() { [ "$(find "$work" -name 'sent.*.all' | wc -l)" = "$senders" ]; }

# Each answer with an id, as `ID TEXT`: 201 says that the message is there, 504 says so of the master.
answered_as() {
  sed -n 's/^\([^ ]*\) \(201\|504\) {.*"id":\([0-9]*\)[,}].*/\3 \1/p' "$work"/sent.? | sort -n
}
answered_are() { # NUMBER: so many or more
  local answered
  answered=$(answered_as | wc -l)
  echo "$answered answered"
  [ "$answered" -ge "$1" ]
}
# Likewise, those that this node had acked when they were answered.
acked_by() { # NODE
  sed -n 's/^\([^ ]*\) 201 {"id":\([0-9]*\),.*"ackedBy":\[[^]]*"'"$1"'".*/\2 \1/p' "$work"/sent.? | sort -n
}

# deliver TEXT W: sends it with an idempotency key again and again until it is answered, however long the master is
# away meanwhile; the messages that were sent more than once are listed in the file `again`
deliver() {
  local n answer=
  for n in $(seq 600); do
    answer=$(post_keyed "key-of-$1" "$@" 5000)
    case $answer in 201*) break ;; esac
    [ "$n" -gt 1 ] || echo "$1" >>"$work/again"
    sleep 0.05
  done
  echo "$answer"
}
sent_again() { sort -u "$work/again" 2>/dev/null | wc -l; }

# has_all_acked NODE: shows all that it had acked; says what it does not show
has_all_acked() {
  local missing
  missing=$(comm -23 <(acked_by "$1" | sort) <(lines "$(list "$1")" | sort))
  echo "not in the list of $1: $missing"
  [ -z "$missing" ]
}
# The master's list is what was answered, and nothing else.
list_is_as_answered() { diff <(answered_as) <(lines "$(list master)"); }
