# A hundred directories: each looked at, each made right if it is not.
set -eu
changed=0
n=0
while [ "$n" -lt 100 ]; do
    path=/srv/bench/tree/$n
    if [ "$(stat -c %F:%a:%U:%G "$path" 2>/dev/null)" != directory:755:root:root ]; then
        mkdir -p "$path"
        chown root:root "$path"
        chmod 755 "$path"
        changed=$((changed + 1))
    fi
    n=$((n + 1))
done
echo "changed=$changed"
