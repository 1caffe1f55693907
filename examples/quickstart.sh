#!/bin/sh
# A whole small mail server on loopback, from nothing:
#	sh examples/quickstart.sh [--dir DIR] [--port-base N] [--build-dir B]
#
# Installs what is missing, builds in B (./build), makes DIR (./quickstart) with
# a certificate, an account and a configuration, starts mailservd on ports
# N+25, N+587, N+465, N+143 and N+993 (N = 10000), sends itself a message,
# reads it back, and stays until Ctrl-C.  What is in DIR already is kept.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
dir=quickstart
base=
build=$here/build

fail() {
	echo "quickstart: $*" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--dir | --port-base | --build-dir)
		[ $# -ge 2 ] || fail "$1 wants a value"
		case $1 in
		--dir) dir=$2 ;;
		--port-base) base=$2 ;;
		--build-dir) build=$2 ;;
		esac
		shift 2
		;;
	-h | --help)
		sed -n '2,9s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*) fail "unknown option $1; see --help" ;;
	esac
done
case ${base:-0} in *[!0-9]*) fail "--port-base wants a number, not $base" ;; esac
[ "${base:-0}" -le 64542 ] || fail "--port-base $base is too large: at most 64542"

# -- Install and build -----------------------------------------------------------

# shellcheck source=examples/packages.sh
. "$here/examples/packages.sh"
# shellcheck disable=SC2086 # a list of words
sh "$here/examples/install.sh" $build_packages curl openssl

mkdir -p "$build" "$dir"
build=$(cd "$build" && pwd)
dir=$(cd "$dir" && pwd)
log=$dir/build.log
echo "Building in $build ..."
{
	[ -f "$build/build.ninja" ] || meson setup "$build" "$here" -Dtests=disabled
	ninja -C "$build" frontends/mailservd/mailservd frontends/mailservctl/mailservctl
} >"$log" 2>&1 || {
	tail -20 "$log" >&2
	fail "the build failed; all of it is in $log"
}
mailservd=$build/frontends/mailservd/mailservd
mailservctl=$build/frontends/mailservctl/mailservctl

# -- DIR ---------------------------------------------------------------------------

umask 077
address=user@example.org
conf=$dir/mailserv.conf
if [ -f "$conf" ]; then
	kept=$(sed -n 's/^# port base //p' "$conf")
	base=${base:-$kept}
	[ "$base" = "$kept" ] || rm "$conf"
fi
base=${base:-10000}

if [ ! -f "$dir/cert.pem" ] || [ ! -f "$dir/key.pem" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$log" || fail "no certificate: $(cat "$log")"
	chmod 644 "$dir/cert.pem"
fi

if [ ! -f "$dir/account" ] || [ ! -f "$dir/passwd" ]; then
	password=$(openssl rand -hex 12)
	rm -f "$dir/passwd"
	printf '%s\n' "$password" | "$mailservctl" user add --scram --file "$dir/passwd" "$address"
	printf 'user=%s\npassword=%s\n' "$address" "$password" >"$dir/account"
fi
password=$(sed -n 's/^password=//p' "$dir/account")

mkdir -p "$dir/mail"
mail_user=
if [ "$(id -u)" -eq 0 ]; then
	# Mail is never handled as root.
	mail_user='user = "nobody"'
	chown nobody "$dir/mail"
fi

[ -f "$conf" ] || cat >"$conf" <<CONF
# port base $base
hostname = "localhost"
domains = {"example.org"}
passwd = "passwd"
certificate = "cert.pem"
key = "key.pem"
location = "mail/%d/%n"
control = "control"
log = stderr
$mail_user
listen smtp { role = mx address = "127.0.0.1" port = $((base + 25)) }
listen submission { role = submission address = "127.0.0.1" port = $((base + 587)) }
listen submissions { role = submission tls = implicit address = "127.0.0.1" port = $((base + 465)) }
listen imap { role = imap address = "127.0.0.1" port = $((base + 143)) }
listen imaps { role = imap tls = implicit address = "127.0.0.1" port = $((base + 993)) }
CONF

# -- Run -----------------------------------------------------------------------------

daemon=
stop() {
	trap '' INT TERM
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || true
		wait "$daemon" 2>/dev/null || true
	fi
	rm -f "$dir/message"
}
trap 'stop; trap - EXIT; exit 0' INT TERM
trap stop EXIT

"$mailservd" -f -c "$conf" 2>>"$dir/mailserv.log" </dev/null &
daemon=$!
tries=100
until "$mailservctl" -c "$conf" status >/dev/null 2>&1; do
	kill -0 "$daemon" 2>/dev/null && [ "$tries" -gt 0 ] || {
		tail -5 "$dir/mailserv.log" >&2
		fail "the server did not start; its log is $dir/mailserv.log"
	}
	tries=$((tries - 1))
	sleep 0.1
done

# The password goes to curl by standard input: the process list shows no secret.
as_user() {
	printf 'user = "%s:%s"\n' "$address" "$password" |
		curl --silent --show-error --max-time 30 --cacert "$dir/cert.pem" --config - "$@"
}

id=quickstart-$$-$(date +%s)@example.org
printf 'From: <%s>\r\nTo: <%s>\r\nSubject: Hello from libmailserv\r\nMessage-ID: <%s>\r\nDate: %s\r\n\r\nIt works.\r\n' \
	"$address" "$address" "$id" "$(date -R)" >"$dir/message"

echo
echo "== Sent over SMTP with TLS (localhost:$((base + 587)), STARTTLS):"
cat "$dir/message"
as_user --ssl-reqd --url "smtp://localhost:$((base + 587))" --mail-from "$address" --mail-rcpt "$address" \
	--upload-file "$dir/message" || fail "sending failed; the log is $dir/mailserv.log"

echo
echo "== Read back over IMAP with TLS (localhost:$((base + 993))):"
number=$(as_user --url "imaps://localhost:$((base + 993))/INBOX" \
	--request "UID SEARCH HEADER Message-ID $id" | tr -d '\r' | sed -n 's/^\* SEARCH \([0-9]*\).*/\1/p')
[ -n "$number" ] || fail "the message did not arrive; the log is $dir/mailserv.log"
as_user --url "imaps://localhost:$((base + 993))/INBOX;UID=$number" || fail "reading failed"

cat <<TEXT

== Settings for a mail client
   User name   $address
   Password    in $dir/account
   Incoming    IMAP  localhost, port $((base + 993)), SSL/TLS   (or $((base + 143)), STARTTLS)
   Outgoing    SMTP  localhost, port $((base + 465)), SSL/TLS   (or $((base + 587)), STARTTLS)
   The certificate is self-signed: accept $dir/cert.pem once.

   Configuration $conf, log $dir/mailserv.log
   Running; stop with Ctrl-C.
TEXT
status=0
wait "$daemon" || status=$?
daemon=
exit "$status"
