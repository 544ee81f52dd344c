#!/bin/sh
# Makes the certificates of this folder anew. Needs openssl 3; run it inside the folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# sign NAME SUBJECT SAN START END
sign() {
  key "$1-key.pem"
  openssl req -new -key "$1-key.pem" -subj "/CN=$2" -out "$work/$1.csr"
  printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$3" >"$work/ext"
  openssl ca -batch -notext -config "$work/ca.cnf" -extfile "$work/ext" -startdate "$4" -enddate "$5" \
    -in "$work/$1.csr" -out "$1.pem" 2>/dev/null
}

key "$work/ca-key.pem"
openssl req -x509 -new -key "$work/ca-key.pem" -subj '/CN=Test CA of databox-export-service' -days 36500 \
  -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' -out ca.pem

: >"$work/index"
echo 01 >"$work/serial"
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = test
[test]
database = $work/index
serial = $work/serial
new_certs_dir = $work
certificate = ca.pem
private_key = $work/ca-key.pem
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
CNF

sign localhost localhost 'DNS:localhost,DNS:destination.test,IP:127.0.0.1,IP:::1' 20250101000000Z 21250101000000Z
sign other-host other.test 'DNS:other.test' 20250101000000Z 21250101000000Z
sign expired localhost 'DNS:localhost,DNS:destination.test,IP:127.0.0.1' 20200101000000Z 20200201000000Z

key self-signed-key.pem
openssl req -x509 -new -key self-signed-key.pem -subj /CN=localhost -days 36500 \
  -addext 'subjectAltName=DNS:localhost,DNS:destination.test,IP:127.0.0.1' -out self-signed.pem
