#!/bin/sh
# Makes the demo's certificates anew, as a box makes them: a CA, and one file with certificate, RSA key and public key.
# The CA's key is thrown away. Needs openssl 3; run it inside this folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca-key.pem" -out root-ca.pem -days 36500 \
  -subj '/CN=Demo of databox-export-service' \
  -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout "$work/key.pem" -subj '/CN=localhost' -out "$work/request.pem" 2>/dev/null
printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' \
  >"$work/extensions"
openssl x509 -req -in "$work/request.pem" -CA root-ca.pem -CAkey "$work/ca-key.pem" -days 36500 \
  -extfile "$work/extensions" -out "$work/certificate.pem" 2>/dev/null
openssl rsa -in "$work/key.pem" -traditional -out "$work/key-pkcs1.pem" 2>/dev/null
openssl rsa -in "$work/key.pem" -pubout -out "$work/public.pem" 2>/dev/null
cat "$work/certificate.pem" "$work/key-pkcs1.pem" "$work/public.pem" >localhost.pem
