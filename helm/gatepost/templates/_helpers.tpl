{{- define "gatepost.name" -}}
{{- if .Values.argocd.controllerNames -}}argocd-notifications-controller
{{- else -}}{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "gatepost.fullname" -}}
{{- if .Values.argocd.controllerNames -}}argocd-notifications-controller
{{- else if .Values.fullnameOverride -}}{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "gatepost.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ default (include "gatepost.fullname" .) .Values.serviceAccount.name }}
{{- else -}}{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- /* What never changes over upgrades: a Deployment's selector cannot. The controller's names have no instance in it, as Argo CD's have not. */ -}}
{{- define "gatepost.selector" -}}
app.kubernetes.io/name: {{ include "gatepost.name" . }}
{{- if not .Values.argocd.controllerNames }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- end }}

{{- define "gatepost.labels" -}}
{{ include "gatepost.selector" . }}
{{- if .Values.argocd.controllerNames }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: argocd
{{- end }}
app.kubernetes.io/component: notifications-controller
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gatepost.image" -}}
{{- if .Values.image.digest -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* Whether Applications outside the release's namespace are served. */ -}}
{{- define "gatepost.elsewhere" -}}
{{- if .Values.argocd.applicationNamespaces }}yes{{ end -}}
{{- end }}

{{- /* The settings file: the user's, and what the chart knows better. */ -}}
{{- define "gatepost.settings" -}}
{{- $own := dict "server" (dict "metrics" (printf "0.0.0.0:%d" (int .Values.metrics.port))) "delivery" (dict "grace" (int .Values.grace)) -}}
{{- if eq .Values.store.kind "sqlite" }}
{{- $_ := set $own "store" (dict "path" "/var/lib/gatepost/outbox.db") -}}
{{- else if eq .Values.store.kind "postgres" }}
{{- $store := dict "schema" .Values.store.postgres.schema -}}
{{- if .Values.store.postgres.caConfigMap.name }}{{ $_ := set $store "caFile" "/etc/gatepost/postgres-ca/ca.crt" }}{{ end -}}
{{- $_ := set $own "store" $store -}}
{{- end }}
{{- if .Values.store.encryption.secret.name }}
{{- $store := default dict (get $own "store") -}}
{{- $_ := set $store "encryptionKeyFile" "/etc/gatepost/encryption/keys" -}}
{{- $_ := set $own "store" $store -}}
{{- end }}
{{- if .Values.gates.enabled }}
{{- $_ := set $own "gates" (dict "enabled" true "instanceId" .Values.gates.instanceId "takeOver" .Values.gates.takeOver) -}}
{{- if .Values.gates.hooks.enabled }}{{ $_ := set $own "hooks" (dict "bind" (printf "0.0.0.0:%d" (int .Values.gates.hooks.port))) }}{{ end -}}
{{- end }}
{{- /* Nobody can be asked about a token without the right to. */ -}}
{{- if not (or .Values.people.enabled .Values.approvals.enabled) }}
{{- $_ := set $own "auth" (dict "kubernetes" false) -}}
{{- end }}
{{- if .Values.people.externalUrl }}
{{- $_ := set $own.server "externalUrl" .Values.people.externalUrl -}}
{{- $_ := set $own.server "api" "0.0.0.0:8080" -}}
{{- end }}
{{- if .Values.approvals.enabled }}
{{- $callbacks := dict "externalUrl" .Values.approvals.externalUrl "bind" (printf "0.0.0.0:%d" (int .Values.approvals.port)) -}}
{{- if .Values.approvals.tlsSecret }}{{ $_ := merge $callbacks (dict "certificate" "/etc/gatepost/callbacks/tls.crt" "key" "/etc/gatepost/callbacks/tls.key") }}{{ end -}}
{{- $_ := set $own "callbacks" $callbacks -}}
{{- end }}
{{- with .Values.tracing }}
{{- if .endpoint }}
{{- $tracing := dict "endpoint" .endpoint "sampling" .sampling "propagate" .propagate -}}
{{- if .caConfigMap.name }}{{ $_ := set $tracing "caFile" "/etc/gatepost/tracing-ca/ca.crt" }}{{ end -}}
{{- $_ := set $own "tracing" $tracing -}}
{{- end }}
{{- end }}
{{- toYaml (mustMergeOverwrite (deepCopy .Values.settings) $own) }}
{{- end }}

{{- /* Values that cannot work together, each with what to do. */ -}}
{{- define "gatepost.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (ne .Values.store.kind "postgres") }}
{{- fail (printf "replicas: %d needs store.kind: postgres: a SQLite file and memory belong to one process" (int .Values.replicas)) }}
{{- end }}
{{- if and (eq .Values.store.kind "postgres") (not .Values.store.postgres.urlSecret.name) }}
{{- fail "store.kind: postgres needs store.postgres.urlSecret.name: the Secret that holds the URL under the key store.postgres.urlSecret.key" }}
{{- end }}
{{- if and .Values.argocd.selfService (not .Values.argocd.applicationNamespaces) }}
{{- fail "argocd.selfService needs argocd.applicationNamespaces: the namespaces whose configurations are served" }}
{{- end }}
{{- if and .Values.approvals.enabled (not .Values.approvals.externalUrl) }}
{{- fail "approvals.enabled needs approvals.externalUrl: how the outside reaches the callbacks" }}
{{- end }}
{{- if and (or .Values.people.viewers .Values.people.operators) (not (or .Values.people.enabled .Values.approvals.enabled)) }}
{{- fail "people.viewers and people.operators need people.enabled: without it tokens of the cluster are not taken" }}
{{- end }}
{{- if and .Values.gates.hooks.enabled (not .Values.gates.enabled) }}
{{- fail "gates.hooks.enabled needs gates.enabled: hooks wake gates" }}
{{- end }}
{{- if and (not .Values.tracing.endpoint) (or .Values.tracing.headersSecret.name .Values.tracing.caConfigMap.name) }}
{{- fail "tracing.headersSecret and tracing.caConfigMap need tracing.endpoint: where spans are sent" }}
{{- end }}
{{- if hasKey .Values.settings "tracing" }}
{{- fail "settings.tracing is set by the chart: use the values under tracing" }}
{{- end }}
{{- if hasKey .Values.settings "store" }}
{{- range $key := list "path" "url" "schema" "caFile" "encryptionKeyFile" "encryptionKeys" }}
{{- if hasKey (default dict $.Values.settings.store) $key }}
{{- fail (printf "settings.store.%s is set by the chart: use the values under store" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
