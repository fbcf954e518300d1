# shellcheck shell=bash
# What demos do to the files of a log on disk. To be sourced after lib/demo.sh.

# change NODE FUNCTION: lets the function change the last segment file of a node that is down; it gets the file's name
change() {
  rm -rf "$work/files"
  mkdir "$work/files"
  backend_fetch "$1" "$work/files"
  local file
  file=$(find "$work/files" -name '*.log' | sort | tail -n 1)
  "$2" "$file"
  backend_put "$1" "$file"
}

# Files end in zeros that were written ahead; here is where the last message ends.
written_end() { # FILE
  od -An -v -tx1 -w1 "$1" | grep -n -v ' 00' | tail -n 1 | cut -d : -f 1
}

# overwrite FILE OFFSET: with what standard input has
overwrite() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
