# shellcheck shell=bash disable=SC2154 # variables of run.sh
# Prometheus with the alert rules, the metrics of the server and the queries of the dashboard.
# Sourced by run.sh.

# The rules load, and each fires for the series of metrics/rules_test.yml and no others.
case_metrics_rules() {
	cp "$here/../prometheus.rules" "$here/metrics/rules_test.yml" .
	"$work/prometheus/usr/bin/promtool" check rules prometheus.rules
	"$work/prometheus/usr/bin/promtool" test rules rules_test.yml
	# The tests are ones that can fail: with a rule that never fires, and one that always does.
	sed -i -e 's/mox_replica_lag_seconds > 600/mox_replica_lag_seconds > 600000/' -e 's/mox_dnsbl_ips_success == 0/mox_dnsbl_ips_success >= 0/' prometheus.rules
	if "$work/prometheus/usr/bin/promtool" test rules rules_test.yml >out 2>&1; then
		return 1
	fi
	grep -q mox-replica-lag out
	grep -q mox-blocklisted out
}

# The dashboard has what Grafana's own types allow, and nothing else; mistakes are found.
case_metrics_dashboard() {
	cp "$here"/grafana/{package.json,package-lock.json,tsconfig.json,types.ts} .
	npm ci --no-audit --no-fund --silent
	board() { printf 'import type { Board } from "./types.js";\nexport const board: Board =\n%s;\n' "$(sed "$1" "$here/../packaging/grafana/mox.json")" >board.ts; }
	board ''
	npx tsc -p .
	local mistake
	for mistake in 's/"legendFormat"/"legend"/' 's/"displayMode": "list"/"displayMode": "lists"/' 's/"expr": "\(sum\)/"query": "\1/' 's/"x": 0/"x": "0"/'; do
		board "$mistake"
		if npx tsc -p . >out; then return 1; fi
	done
}

# A Prometheus that asks the server: rules are evaluated, and the dashboard's queries are understood.
case_metrics() {
	curl -fsS http://127.0.0.1:1081/metrics >scraped
	"$work/prometheus/usr/bin/promtool" check metrics <scraped || [ $? = 3 ] # 3: advice about names, which are given
	[ "$(curl -sS http://127.0.0.1:1081/health/live)" = live ]
	[ "$(curl -sS http://127.0.0.1:1081/health/ready)" = ready ]
	cp "$here/../prometheus.rules" .
	# In seconds, for the test.
	sed -i 's/for: .*/for: 0s/' prometheus.rules
	cat >prometheus.yml <<-EOT
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [prometheus.rules]
		scrape_configs:
		  - job_name: mox
		    static_configs:
		      - targets: ["127.0.0.1:1081", "127.0.0.1:1"]
	EOT
	"$work/prometheus/usr/bin/promtool" check config prometheus.yml
	"$work/prometheus/usr/bin/prometheus" --config.file=prometheus.yml --storage.tsdb.path="$PWD/tsdb" --web.listen-address=127.0.0.1:19090 >prometheus.log 2>&1 &
	local pid=$!
	# shellcheck disable=SC2064 # its value now
	trap "kill $pid; wait $pid" EXIT
	wait_port 19090 || { cat prometheus.log; return 1; }
	python3 "$here/metrics/ask.py" http://127.0.0.1:19090 "$here/../packaging/grafana/mox.json"
}

if [[ metrics == *"$only"* || $only == metrics* ]] || chosen alerts; then
	# Not installed: the package would start a service.
	mkdir -p "$work/prometheus"
	(cd "$work/prometheus" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } && dpkg -x prometheus_*.deb .) >"$work/prometheus.log" 2>&1 || { cat "$work/prometheus.log"; die "could not get prometheus"; }
fi
run metrics-rules case_metrics_rules
run metrics-dashboard case_metrics_dashboard
run metrics case_metrics
# Rules fired by what really goes wrong.
if chosen alerts; then
	install iproute2 openssl python3
	isolated alerts "$work/mox" "$work/prometheus"
fi
