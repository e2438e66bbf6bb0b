#!/bin/bash
# quickstart_inside.sh MOX runs in a network and process namespace of its own, in an empty directory: see
# quickstart.sh.
set -euo pipefail
mox=$1
client=192.0.2.7
ip link set lo up
for addr in 192.0.2.1 $client; do
	ip addr add $addr/32 dev lo
done
chmod 755 .
die() { echo "FAILED: $*"; tail -5 mox.log mox/mox.log 2>/dev/null || true; exit 1; }

# wait_for PORT ADDRESS
wait_for() {
	for _ in $(seq 600); do
		(exec 3<>"/dev/tcp/$2/$1") 2>/dev/null && return 0
		sleep 0.1
	done
	die "nothing listens on $2 port $1"
}

# A certificate for all names, of an authority that curl trusts.
mkdir certs
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout certs/privkey.pem -out certs/fullchain.pem \
	-addext subjectAltName=DNS:host.example.org,DNS:mta-sts.example.org,DNS:autoconfig.example.org,DNS:mail.example.org 2>/dev/null
mkdir certs/haproxy
cat certs/fullchain.pem certs/privkey.pem >certs/haproxy/all.pem
chmod -R a+rX certs

mkdir mox
cd mox
"$mox" quickstart -offline -existing-webserver -hostname host.example.org -publicip 192.0.2.1 you@example.org 65534 >/dev/null
# Not before the certificates are there.
if "$mox" config test 2>errors; then die "config test passes with paths made up"; fi
grep -q 'path/to/mail.example.org-chain.crt.pem' errors || die "config test says: $(cat errors)"
mkdir -p config/path/to
for name in host mta-sts autoconfig mail; do
	cp ../certs/fullchain.pem "config/path/to/$name.example.org-chain.crt.pem"
	cp ../certs/privkey.pem "config/path/to/$name.example.org.key.pem"
done
"$mox" config test
password=$(sed -n '/^For you@example.org/{n;n;p}' quickstart.log | tr -d ' ')

# snippet NAME takes what was printed for a server.
snippet() { awk -v name="--- $1 ---" '/^---/ { on = $0 == name; next } on' quickstart.log; }

start_mox() {
	"$mox" serve 2>mox.log &
	moxpid=$!
	wait_for 1080 127.0.0.1
	wait_for 81 127.0.0.1
}
stop_mox() {
	"$mox" stop
	wait "$moxpid" || true
}

# ask NAME PATH prints what the server in front gives to the client, with status.
ask() {
	curl -sS --max-time 60 --interface $client --cacert ../certs/fullchain.pem --resolve "$1:443:192.0.2.1" -w '\n%{http_code}\n' "${@:3}" "https://$1$2"
}

# same NAME PATH fails unless the server in front gives what mox does.
same() {
	ask "$@" >answer
	curl -sS --max-time 60 -H "Host: $1" -w '\n%{http_code}\n' "${@:3}" "http://127.0.0.1:81$2" >direct
	cmp -s answer direct || die "$1$2: $(cat answer), and mox itself: $(cat direct)"
}

# try NAME goes through the names with the server in front, and looks whether mox has seen who it is.
try() {
	wait_for 443 192.0.2.1
	start_mox
	ask mta-sts.example.org /.well-known/mta-sts.txt -H 'X-Forwarded-For: 203.0.113.66' >answer
	grep -q 'mx: host.example.org' answer || die "$1: policy: $(cat answer)"
	same autoconfig.example.org '/mail/config-v1.1.xml?emailaddress=you@example.org'
	grep -q '<clientConfig version="1.1">' answer || die "$1: autoconfig: $(cat answer)"
	same host.example.org /autodiscover/autodiscover.xml -H 'Content-Type: text/xml' --data '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>you@example.org</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>'
	grep -q '<Server>mail.example.org</Server>' answer || die "$1: autodiscover: $(cat answer)"
	ask mail.example.org /webapi/v0/SuppressionList -u "you@example.org:$password" --json '{}' >answer
	grep -qx 200 answer || die "$1: API: $(cat answer)"
	# Somebody with a wrong password who claims to be another.
	ask mail.example.org /webapi/v0/SuppressionList -u 'you@example.org:wrong' -H 'X-Forwarded-For: 203.0.113.66' --json '{}' >answer
	grep -qx 401 answer || die "$1: wrong password: $(cat answer)"
	grep -q "remote=$client" mox.log || die "$1: mox has not seen the address of the client"
	if grep -q '203\.0\.113\.66' mox.log; then die "$1: mox believes what the client says of its address"; fi
	ask mail.example.org /admin/ >answer
	grep -Eqx '40[34]' answer || die "$1: admin pages: $(cat answer)"
	stop_mox
	cp mox.log "mox-$1.log"
	echo "$1: in front of mox"
}

nginx_front() {
	{ echo "daemon off; pid $PWD/nginx.pid; error_log stderr; events {} http { access_log off;"; snippet nginx | sed "s,/etc/letsencrypt/live/[a-z.]*,$PWD/../certs,"; echo '}'; } >nginx.conf
	nginx -t -q -c "$PWD/nginx.conf"
	nginx -c "$PWD/nginx.conf" 2>nginx.log &
	front=$!
	try nginx
	kill $front
	wait $front || true
}

apache_front() {
	local m
	{
		echo "ServerRoot $PWD"; echo "PidFile $PWD/apache.pid"; echo "ErrorLog $PWD/apache.log"; echo "Listen 443"; echo "ServerName localhost"
		for m in mpm_event authz_core ssl socache_shmcb proxy proxy_http headers; do
			[ -e "/usr/lib/apache2/modules/mod_$m.so" ] && echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"
		done
		snippet Apache | sed "s,/etc/letsencrypt/live/[a-z.]*,$PWD/../certs,"
	} >apache.conf
	apache2 -t -f "$PWD/apache.conf" 2>apache.test || { cat apache.test; return 1; }
	apache2 -X -f "$PWD/apache.conf" &
	front=$!
	try Apache
	kill $front
	wait $front || true
}

caddy_front() {
	# Certificates of the test in place of those that it would get.
	{ printf '{\n\tauto_https off\n\tadmin off\n}\n'; snippet Caddy | sed "s,^\(.* {\)\$,&,; s,^\([a-z].*example.org\) {\$,\1 {\n\ttls $PWD/../certs/fullchain.pem $PWD/../certs/privkey.pem," | sed 's,^\([a-z-]*\.example\.org\)\, \(.*\) {$,https://\1\, https://\2 {,; s,^https://\(.*\)\, https://\(.*\)\, \(.*\) {$,https://\1\, https://\2\, https://\3 {,'; } >Caddyfile
	export HOME=$PWD XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD
	caddy validate --adapter caddyfile --config Caddyfile >caddy.test 2>&1 || { cat Caddyfile caddy.test; return 1; }
	caddy run --adapter caddyfile --config Caddyfile >caddy.log 2>&1 &
	front=$!
	try Caddy
	kill $front
	wait $front || true
}

haproxy_front() {
	{ printf 'global\n\tlog stderr local0 err\ndefaults\n\ttimeout connect 5s\n\ttimeout client 1m\n\ttimeout server 1m\n'; snippet HAProxy | sed "s,/etc/haproxy/certs,$PWD/../certs/haproxy,"; } >haproxy.cfg
	haproxy -c -q -f haproxy.cfg
	# Mail through it: the lines that were printed, in the listener public.
	cp config/mox.conf mox.conf.before
	python3 - <<-'EOS'
		log = open("quickstart.log").read()
		lines = log.split("--- HAProxy: in place of IPs of the listener public in mox.conf, for mail through it ---\n")[1].split("---\n")[0]
		before, public = open("config/mox.conf").read().split("\tpublic:\n")
		old = "\t\tIPs:\n\t\t\t- 192.0.2.1\n"
		assert old in public
		open("config/mox.conf", "w").write(before + "\tpublic:\n" + public.replace(old, lines))
	EOS
	"$mox" config test
	haproxy -f haproxy.cfg -db 2>haproxy.log &
	front=$!
	try HAProxy
	start_mox
	wait_for 993 127.0.0.1
	: >mox.log
	curl -sS --max-time 60 --interface $client --cacert ../certs/fullchain.pem --resolve mail.example.org:993:192.0.2.1 -u "you@example.org:$password" imaps://mail.example.org/ >answer
	grep -q INBOX answer || grep -qi inbox answer || die "IMAP through HAProxy: $(cat answer)"
	grep -q "remote=$client" mox.log || die "IMAP through HAProxy: mox has not seen the address of the client"
	stop_mox
	kill $front
	wait $front || true
	mv mox.conf.before config/mox.conf
	echo "HAProxy: mail with the PROXY protocol"
}

nginx_front
apache_front
caddy_front
haproxy_front
