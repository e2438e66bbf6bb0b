# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Web sites: curl, nginx behind mox and mox behind nginx, a browser. Sourced by run.sh.
#
#	interop/run.sh web           all of it
#	interop/run.sh web-curl      one of them
#	interop/run.sh web-speed     figures beside nginx, which are for reading: not with the others

web=$work/webdata
webserver=
nginxes=

# nginx_start runs an nginx with the server blocks of standard input.
nginx_start() {
	mkdir -p nginx
	{
		printf 'daemon off;\nmaster_process on;\nworker_processes 2;\nuser nobody nogroup;\nerror_log %s/nginx/error.log;\npid %s/nginx/pid;\nevents { worker_connections 1000; }\nhttp {\n' "$PWD" "$PWD"
		printf 'access_log %s;\ninclude /etc/nginx/mime.types;\nsendfile on;\nkeepalive_requests 1000000;\nclient_max_body_size 100m;\n' "${NGINX_LOG:-$PWD/nginx/access.log}"
		for dir in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s/nginx/%s;\n' "$dir" "$PWD" "$dir"; done
		cat
		echo '}'
	} >nginx/conf
	chmod 755 "$work" "$PWD" nginx
	nginx -c "$PWD/nginx/conf" -e "$PWD/nginx/error.log" &
	nginxes=$!
}

nginx_stop() {
	kill "$nginxes"
	wait "$nginxes" || true
}

# web_start makes a mox with web sites on ports 5080 (HTTP), 5443 (HTTPS) and 5081 (behind a proxy).
web_start() {
	"$work/mox" localserve -dir "$web" -ip 127.0.0.1 -initonly || return 1
	sed -i -e 's/Port: 1\([0-9][0-9][0-9]\)$/Port: 5\1/' -e 's/^LogLevel: .*/LogLevel: info/' -e 's/Port: 5081$/Port: 5082/' "$web/mox.conf"
	awk '{ print } /^Listeners:/ {
		print "\tsites:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tTLS:\n\t\t\tKeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: localhost.crt\n\t\t\t\t\tKeyFile: localhost.key"
		print "\t\tWebserverHTTPS:\n\t\t\tEnabled: true\n\t\t\tPort: 5443"
		print "\tproxied:\n\t\tIPs:\n\t\t\t- 127.0.0.1\n\t\tWebserverHTTP:\n\t\t\tEnabled: true\n\t\t\tPort: 5081\n\t\t\tForwarded: true"
	}' "$web/mox.conf" >"$web/new"
	cat "$web/new" >"$web/mox.conf"
	local root=$web/site
	mkdir -p "$root/sub"
	head -c 30000000 /dev/urandom >"$root/big"
	printf 'bold\n' >"$root/<b>.txt"
	seq 20000 >"$root/sub/numbers.txt"
	printf '<!doctype html><title>page</title><p>hello' >"$root/page.html"
	brotli -kf "$root/sub/numbers.txt"
	gzip -kf "$root/sub/numbers.txt"
	head -c 1024 "$root/big" >"$root/sub/small"
	cat >>"$web/domains.conf" <<EOC
WebHandlers:
	-
		LogName: ws
		Domain: localhost
		PathRegexp: ^/ws/
		DontRedirectPlainHTTP: true
		WebForward:
			StripPath: true
			URL: http://127.0.0.1:5091
	-
		LogName: nginx
		Domain: localhost
		PathRegexp: ^/nginx/
		WebForward:
			StripPath: true
			URL: http://127.0.0.1:5090
	-
		LogName: nginxtls
		Domain: localhost
		PathRegexp: ^/nginxtls/
		WebForward:
			StripPath: true
			URL: https://localhost:5092
	-
		LogName: fast
		Domain: localhost
		PathRegexp: ^/fast/
		DontRedirectPlainHTTP: true
		WebStatic:
			StripPrefix: /fast
			Root: $root
	-
		LogName: files
		Domain: localhost
		PathRegexp: ^/files/
		Compress: true
		WebStatic:
			StripPrefix: /files
			Root: $root
			ListFiles: true
EOC
	"$work/mox" -loglevel info localserve -dir "$web" -ip 127.0.0.1 >"$work/web.log" 2>&1 &
	webserver=$!
	wait_port 5443
}

web_stop() {
	[ -n "$webserver" ] || return 0
	if grep -E 'panic' "$work/web.log"; then
		echo "FAIL  the web server logged a panic"
		failed=$((failed + 1))
	fi
	kill "$webserver" && wait "$webserver"
	webserver=
}

# fetch ARGUMENT ... is curl that trusts our certificate.
fetch() { curl -sS --cacert "$web/localhost.crt" "$@"; }

case_web_curl() {
	local url=https://localhost:5443/files
	for v in --http1.1 --http2; do
		fetch $v -o got -D header "$url/big"
		cmp got "$web/site/big"
		# Two ranges, and the rest of a download that was cut off.
		fetch $v -r 100-199,300-399 -o ranges "$url/big"
		grep -aq '^Content-Range: bytes 300-399/30000000' ranges
		head -c 12345678 "$web/site/big" >part
		fetch $v -C - -o part "$url/big"
		cmp part "$web/site/big"
		fetch $v --etag-save tag -o got "$url/page.html"
		[ "$(fetch $v --etag-compare tag -o got2 -w '%{http_code}' "$url/page.html")" = 304 ]
		[ "$(fetch $v -z "$web/site/page.html" -o got2 -w '%{http_code}' "$url/page.html")" = 304 ]
		# curl takes br first, from beside the file; gzip from there, too; what is not there is made.
		fetch $v --compressed -D header -o got "$url/sub/numbers.txt"
		cmp got "$web/site/sub/numbers.txt"
		grep -qi '^content-encoding: br' header
		fetch $v -H 'Accept-Encoding: gzip' "$url/sub/numbers.txt" | gunzip | cmp - "$web/site/sub/numbers.txt"
		seq 5000 >"$web/site/sub/made.txt"
		fetch $v -H 'Accept-Encoding: gzip' "$url/sub/made.txt" | gunzip | cmp - "$web/site/sub/made.txt"
		[ "$(fetch $v -o got -w '%{http_code} %{http_version}' "$url/none")" = "404 $([ $v = --http2 ] && echo 2 || echo 1.1)" ]
		[ "$(fetch $v --path-as-is -o got -w '%{http_code}' "$url/../../etc/passwd")" = 400 ]
		[ "$(fetch $v --path-as-is -o got -w '%{http_code}' "$url/sub/..%2f..%2fmox.conf")" = 400 ]
		[ "$(fetch $v -X DELETE -o got -w '%{http_code}' "$url/page.html")" = 405 ]
	done
	[ "$(curl -sS -o got -w '%{http_code} %{redirect_url}' "http://localhost:5081/files/?a=b")" = "308 https://localhost/files/?a=b" ]
	rm "$web/site/sub/made.txt"
	find "$web/tmp/httpstaticcompresscache" -name '*.gz' | grep -q .
}

# nginx behind mox: what is sent arrives as it is, in both directions.
case_web_nginx_backend() {
	mkdir -p files dav
	chmod 777 dav
	head -c 20000000 /dev/urandom >files/big
	seq 50000 >files/numbers.txt
	nginx_start <<-EOC
		server {
			listen 127.0.0.1:5090;
			location = /headers { return 200 "\$http_host|\$http_x_forwarded_for|\$http_x_forwarded_host|\$http_x_forwarded_proto|\$http_forwarded|\$http_x_real_ip|\$http_connection|\$request_uri"; }
			location /echo { proxy_pass http://127.0.0.1:5090/headers; }
			location / { root $PWD/files; gzip on; gzip_types text/plain; }
			location /move { return 302 http://127.0.0.1:5090/big; }
		}
		server {
			listen 127.0.0.1:5092 ssl http2;
			ssl_certificate $web/localhost.crt;
			ssl_certificate_key $web/localhost.key;
			location / { return 200 "\$server_protocol \$http_x_forwarded_proto"; }
		}
	EOC
	trap nginx_stop RETURN
	wait_port 5090
	local url=https://localhost:5443/nginx
	for v in --http1.1 --http2; do
		fetch $v "$url/headers?a=%2f;b" -H 'X-Forwarded-For: 10.0.0.1' -H 'Forwarded: for=10.0.0.1' -H 'X-Real-IP: 10.0.0.1' | tee got
		[ "$(cat got)" = '127.0.0.1:5090|127.0.0.1|localhost:5443|https||||/headers?a=%2f;b' ]
		fetch $v "$url/big" | cmp - files/big
		fetch $v --compressed -D header "$url/numbers.txt" | cmp - files/numbers.txt
		grep -qi '^content-encoding: gzip' header
		fetch $v -r 1000-1999 "$url/big" | cmp - <(tail -c +1001 files/big | head -c 1000)
		# A large body, and a redirect that is not followed for the client.
		[ "$(fetch $v -T files/big -o got -w '%{http_code}' "$url/echo")" = 200 ]
		[ "$(fetch $v -o got -w '%{http_code} %{redirect_url}' "$url/move")" = '302 http://127.0.0.1:5090/big' ]
		[ "$(fetch $v https://localhost:5443/nginxtls/)" = "HTTP/2.0 https" ]
	done
	# A large body that the server does not want. Curl of Debian 12 does not get along with
	# the RST_STREAM that ends this by HTTP/2 (RFC 9113 8.1).
	[ "$(fetch --http1.1 -T files/big -o got -w '%{http_code}' "$url/headers")" = 200 ]
	nginx_stop
	trap - RETURN
	[ "$(fetch -o got -w '%{http_code}' "$url/big")" = 502 ]
}

# mox behind nginx: the client is the one that nginx says, in the log and for what is
# forwarded further; nothing is sent to HTTPS that comes by it.
case_web_behind_nginx() {
	nginx_start <<-EOC
		server {
			listen 127.0.0.1:5493 ssl http2;
			ssl_certificate $web/localhost.crt;
			ssl_certificate_key $web/localhost.key;
			location / {
				proxy_pass http://127.0.0.1:5081;
				proxy_http_version 1.1;
				proxy_set_header Host \$host;
				proxy_set_header X-Forwarded-For 192.0.2.77;
				proxy_set_header X-Forwarded-Proto \$scheme;
				proxy_set_header Connection "";
			}
		}
		server {
			listen 127.0.0.1:5090;
			location = /headers { return 200 "\$http_x_forwarded_for|\$http_x_forwarded_proto"; }
		}
	EOC
	trap nginx_stop RETURN
	wait_port 5493
	fetch https://localhost:5493/files/big | cmp - "$web/site/big"
	[ "$(fetch https://localhost:5493/nginx/headers -H 'X-Forwarded-For: 10.0.0.1')" = '192.0.2.77|https' ]
	grep -E 'http request' "$work/web.log" | grep -q 'remote=192.0.2.77'
	[ "$(curl -sS -o got -w '%{http_code}' http://127.0.0.1:5081/files/big)" = 404 ] # not for this host
}

case_web_browser() {
	cp "$here"/../browser/package*.json "$here/web/browser.mjs" .
	npm ci --no-audit --no-fund --silent --prefer-offline
	"$work/wsecho" 127.0.0.1:5091 &
	local echo=$!
	trap 'kill $echo' RETURN
	wait_port 5091
	node browser.mjs https://localhost:5443 "${SCREENSHOTS:-$PWD}"
	grep -q 'proto=wss' "$work/web.log"
}

# Requests a second for a small file and a large one, mox and nginx in turns.
case_web_speed() {
	mkdir -p files
	cp "$web/site/page.html" "$web/site/sub/small" "$web/site/big" files
	NGINX_LOG=off nginx_start <<-EOC
		server { listen 127.0.0.1:5490; root $PWD/files; }
		server { listen 127.0.0.1:5491 ssl http2; root $PWD/files; ssl_certificate $web/localhost.crt; ssl_certificate_key $web/localhost.key; }
	EOC
	trap nginx_stop RETURN
	wait_port 5491
	for _ in 1 2 3; do
		for f in small:sub/small big:big; do
			local t=4
			echo "nginx h1 ${f%:*}: $(wrk -t1 -c32 -d${t}s "http://localhost:5490/${f%:*}" | grep -E 'Requests/sec|Transfer/sec' | tr -s '\n ' '  ')"
			echo "mox   h1 ${f%:*}: $(wrk -t1 -c32 -d${t}s "http://localhost:5080/fast/${f#*:}" | grep -E 'Requests/sec|Transfer/sec' | tr -s '\n ' '  ')"
			echo "nginx h2 ${f%:*}: $(h2load -t1 -c16 -m10 -D$t "https://localhost:5491/${f%:*}" | grep '^finished')"
			echo "mox   h2 ${f%:*}: $(h2load -t1 -c16 -m10 -D$t "https://localhost:5443/fast/${f#*:}" | grep '^finished')"
		done
	done >speed
	cat speed >&3
}

if [[ "web-curl web-nginx-backend web-behind-nginx web-browser web-speed" == *"$only"* ]]; then
	install nginx-light curl brotli
	[[ web-browser != *"$only"* ]] || install chromium
	CGO_ENABLED=0 go build -o "$work/wsecho" ./interop/web/wsecho || die "build failed"
	if web_start >"$work/webstart.log" 2>&1; then
		run web-curl case_web_curl
		run web-nginx-backend case_web_nginx_backend
		run web-behind-nginx case_web_behind_nginx
		run web-browser case_web_browser
		if [ "$only" = web-speed ]; then
			install wrk nghttp2-client
			exec 3>&1
			run web-speed case_web_speed
		fi
	else
		tail "$work/webstart.log" "$work/web.log"
		echo "FAIL  web: server did not start"
		failed=$((failed + 1))
	fi
	web_stop
fi
