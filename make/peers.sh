#!/bin/sh
# Install what the tests use of Debian's: Postfix and Dovecot as peers, Chromium with fonts for
# pages and mails. Where that cannot be done this says why and succeeds: those tests then skip.
set -eu

PATH="$PATH:/usr/sbin:/sbin"
packages=
names=

if ! { command -v postfix && command -v dovecot; } >/dev/null ||
    ! { [ -x /usr/lib/dovecot/imap ] && [ -x /usr/lib/dovecot/lmtp ]; }; then
    packages='postfix dovecot-core dovecot-imapd dovecot-lmtpd libsasl2-modules'
    names='Postfix and Dovecot'
fi
if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    packages="$packages chromium fonts-dejavu-core fonts-liberation fonts-noto-core"
    names="${names:+$names, }Chromium"
fi

if [ -z "$packages" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v debconf-set-selections >/dev/null; then
    echo "Not here, and this is not Debian: $names. Their tests will be skipped."
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Not here: $names. As root: apt-get install $packages"
    exit 0
fi

# The tests start their own instances: the packages shall not start the system's.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
trap 'rm -f "$log" ${made_policy:+"$policy"}' EXIT
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install() {
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections &&
        apt-get update -q &&
        # shellcheck disable=SC2086 # a list of packages
        apt-get install -q -y --no-install-recommends $packages
}

echo "Installing $names for the tests …"
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
if ! install </dev/null >"$log" 2>&1; then
    echo "Could not be installed: $names:"
    tail -n 15 "$log"
fi
