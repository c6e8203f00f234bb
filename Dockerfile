# The image: one static binary, the public certificates, and nothing else. Built for the platform of the builder.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Static with glibc, so that names are resolved by our own resolver and no library of the image matters.
RUN binary="$(scripts/static-build)" \
    && mkdir -p /root-fs/usr/local/bin /root-fs/etc/ssl/certs /root-fs/var/lib/gatepost /root-fs/tmp \
    && cp "$binary" /root-fs/gatepost \
    && ln -s /gatepost /root-fs/usr/local/bin/argocd-notifications \
    && ln -s /gatepost /root-fs/usr/local/bin/gatepost \
    && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
    && printf 'gatepost:x:65532:65532::/:/\n' > /root-fs/etc/passwd \
    && chown 65532:65532 /root-fs/var/lib/gatepost /root-fs/tmp

FROM scratch
LABEL org.opencontainers.image.title="gatepost" \
      org.opencontainers.image.description="Relays the outcomes of Argo CD Applications, and gates promotions" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /root-fs/ /
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 9001 8090
ENTRYPOINT ["/gatepost"]
CMD ["serve"]
