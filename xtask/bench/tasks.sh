# The twenty tasks of tasks.yaml, as one writes them by hand: look first, change what is wrong, say what was changed.
# Sent with: ssh HOST sh -s < tasks.sh
set -eu
changed=0
touched=
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT

did() {
    echo "changed: $*"
    changed=$((changed + 1))
    touched="$touched $*"
}

attributes() { # path mode
    if [ "$(stat -c %a:%U:%G "$1")" != "$2:root:root" ]; then
        chown root:root "$1"
        chmod "$2" "$1"
        did "$1"
    fi
}

directory() { # path mode
    if [ ! -d "$1" ]; then
        mkdir -p "$1"
        did "$1"
    fi
    attributes "$1" "$2"
}

put() { # path mode; the content on standard input
    cat >"$tmp"
    if ! cmp -s "$tmp" "$1"; then
        cp "$tmp" "$1.new"
        chmod "$2" "$1.new"
        mv "$1.new" "$1"
        did "$1"
    fi
    attributes "$1" "$2"
}

accept() { # program port
    if ! "$1" -w -C INPUT -p tcp -m tcp --dport "$2" -j ACCEPT 2>/dev/null; then
        "$1" -w -A INPUT -p tcp -m tcp --dport "$2" -j ACCEPT
        did "$1 $2"
    fi
}

for package in nginx openssl iptables-persistent; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package"
        did "$package"
    fi
done

accept iptables 22
accept iptables 80
accept iptables 443
accept ip6tables 443

directory /etc/ssl/private 700
directory /etc/nginx/snippets 755
directory /srv/bench/www 755
directory /var/log/bench 750

put /etc/nginx/snippets/bench-tls.conf 644 <<'END'
ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256;
ssl_prefer_server_ciphers off;
ssl_session_cache shared:bench:10m;
ssl_session_timeout 1d;
ssl_session_tickets off;
END

put /etc/nginx/snippets/bench-gzip.conf 644 <<'END'
gzip on;
gzip_vary on;
gzip_comp_level 5;
gzip_min_length 256;
gzip_types text/css application/json application/javascript image/svg+xml;
END

name=$(hostname -s)
put /srv/bench/www/index.html 644 <<END
hello from $name
END

put /etc/nginx/snippets/bench-headers.conf 644 <<END
add_header Strict-Transport-Security "max-age=63072000" always;
add_header X-Content-Type-Options nosniff always;
add_header X-Served-By $name always;
END

put /etc/nginx/conf.d/bench-upstream.conf 644 <<'END'
upstream bench_backend {
    server 127.0.0.1:9000;
    server 127.0.0.1:9001;
    keepalive 16;
}
END

domain=bench.example.test
port=8081
put /etc/nginx/sites-available/bench.conf 644 <<END
server {
    listen $port;
    server_name $domain www.$domain;
    root /srv/bench/www;
    access_log /var/log/bench/access.log;
    include snippets/bench-headers.conf;
    location /api/ {
        proxy_pass http://bench_backend;
        proxy_set_header Host \$host;
    }
}
END

if [ "$(readlink /etc/nginx/sites-enabled/bench.conf)" != /etc/nginx/sites-available/bench.conf ]; then
    ln -sfn /etc/nginx/sites-available/bench.conf /etc/nginx/sites-enabled/bench.conf
    did nginx link
fi
if [ -e /etc/nginx/sites-enabled/default ] || [ -L /etc/nginx/sites-enabled/default ]; then
    rm /etc/nginx/sites-enabled/default
    did nginx default
fi

nginx -t -q

if ! systemctl is-enabled -q nginx; then
    systemctl enable -q nginx
    did enable
fi
if ! systemctl is-active -q nginx; then
    systemctl start nginx
    did start
fi

case $touched in
*nginx*) systemctl reload nginx ;;
esac

bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
echo "changed=$changed"
