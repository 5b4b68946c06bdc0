/*
 * Credentials of a token broker, in C: the same plugin as examples/plugins/rust. It asks the broker through the host, so that the
 * host's proxy, certificates and timeouts are used, and hands on what the broker answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ee_auth_plugin.h"

static const char MANIFEST[] =
    "{\"name\": \"example-broker\", \"plugin_version\": \"1.0.0\", \"ops\": [\"get\"], \"thread_safe\": true,"
    " \"http_hosts\": [\"broker.corp.example\", \"127.0.0.1\"], \"description\": \"access tokens of a broker\"}";

/* One instance. */
typedef struct {
  const eea_host *host;
  char address[256];
} broker;

/* What the host hands to `receive`. */
typedef struct {
  uint32_t status;
  char body[8192];
} reply;

static eea_str str(const char *text) {
  eea_str s;
  s.p = text;
  s.n = strlen(text);
  return s;
}

/* The message is for a person: there must be nothing in it that JSON would have to escape. */
static eea_status refuse(const eea_sink *out, const char *code, const char *message) {
  char answer[512];
  snprintf(answer, sizeof answer, "{\"version\":1,\"success\":false,\"code\":\"%s\",\"message\":\"%s\"}", code, message);
  out->write(out->ctx, str(answer));
  return EEA_FAILED;
}

/* The value of a key of a flat JSON object without escapes: a string, or a number, as text. 0 where there is none. */
static int value_of(eea_str json, const char *key, char *value, size_t room) {
  char quoted[64];
  size_t n = (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", key), i, length = 0;
  int is_string;
  for (i = 0; i + n <= json.n; i++)
    if (memcmp(json.p + i, quoted, n) == 0) break;
  if (i + n > json.n) return 0;
  for (i += n; i < json.n && (json.p[i] == ':' || json.p[i] == ' '); i++) continue;
  is_string = i < json.n && json.p[i] == '"';
  for (i += is_string ? 1 : 0; i < json.n; i++) {
    char c = json.p[i];
    if (is_string ? c == '"' : c < '0' || c > '9') break;
    if (c == '\\' || c < ' ' || length + 1 == room) return 0;
    value[length++] = c;
  }
  value[length] = 0;
  return length > 0;
}

static void receive(void *receiver, const eea_http_response *response) {
  reply *to = (reply *)receiver;
  eea_str text = response->status == 0 ? response->error : response->body;
  size_t n = text.n < sizeof to->body - 1 ? text.n : sizeof to->body - 1;
  to->status = response->status;
  if (n > 0) memcpy(to->body, text.p, n);
  to->body[n] = 0;
}

static eea_status get(const broker *self, const eea_request *request, const eea_sink *out) {
  const eea_host_http *http = (const eea_host_http *)self->host->extension(self->host->ctx, EEA_EXT_HTTP);
  char token[4096], seconds[24], answer[8192];
  eea_http_request asked;
  eea_pair fields[1];
  reply got;
  if (http == NULL || http->size < sizeof *http) return refuse(out, "invalid", "the host has no service http/1");
  self->host->log(self->host->ctx, EEA_LOG_INFO, str("asking the broker"));
  memset(&got, 0, sizeof got);
  memset(&asked, 0, sizeof asked);
  asked.size = sizeof asked;
  asked.method = str("POST");
  asked.url = str(self->address);
  fields[0].name = str("scope");
  fields[0].value = str("https://www.googleapis.com/auth/earthengine");
  asked.form = fields;
  asked.form_n = 1;
  if (http->send(self->host->ctx, request->call, &asked, &got, receive) != EEA_OK)
    return refuse(out, "unavailable", "the broker cannot be reached");
  if (got.status == 404) return refuse(out, "not_found", "the broker has no credential for this account");
  if (got.status == 401 || got.status == 403) return refuse(out, "rejected", "the broker does not know this account");
  if (got.status != 200) return refuse(out, "unavailable", "the broker answered with an error");
  if (!value_of(str(got.body), "token", token, sizeof token) || !value_of(str(got.body), "expires_in", seconds, sizeof seconds))
    return refuse(out, "unavailable", "the answer of the broker is not what a broker answers");
  snprintf(answer, sizeof answer,
           "{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:access_token\","
           "\"access_token\":\"%s\",\"expiration_time\":%lld,\"cache\":\"expires\"}",
           token, (long long)time(NULL) + atoll(seconds));
  return out->write(out->ctx, str(answer)) == EEA_OK ? EEA_OK : EEA_FAILED;
}

/* The protocol's version 1 is the only one so far: a host that asks with others alone writes no `1` between the brackets. */
static int speaks_version_1(eea_str json) {
  size_t i;
  for (i = 0; i < json.n && json.p[i] != ']'; i++)
    if (json.p[i] == '1' && i > 0 && (json.p[i - 1] == '[' || json.p[i - 1] == ',') && i + 1 < json.n &&
        (json.p[i + 1] == ']' || json.p[i + 1] == ','))
      return 1;
  return 0;
}

static eea_status call(void *self, const eea_request *request, const eea_sink *out) {
  char op[16];
  if (self == NULL || request == NULL || out == NULL) return EEA_BAD_ARGUMENT;
  if (!speaks_version_1(request->json)) return refuse(out, "invalid", "this plugin speaks version 1 of the protocol");
  if (!value_of(request->json, "op", op, sizeof op) || strcmp(op, "get") != 0)
    return refuse(out, "not_applicable", "this plugin knows the operation get alone");
  return get((const broker *)self, request, out);
}

static void destroy(void *self) { free(self); }

static eea_status create(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err) {
  broker *self;
  if (host == NULL || host->size < sizeof *host || out == NULL || out->size < sizeof *out) return EEA_BAD_ARGUMENT;
  self = (broker *)calloc(1, sizeof *self);
  if (self == NULL) return EEA_INTERNAL;
  self->host = host;
  if (!value_of(config, "address", self->address, sizeof self->address)) {
    free(self);
    return refuse(err, "invalid", "`address` is missing: it is the broker's");
  }
  out->size = sizeof *out;
  out->self = self;
  out->call = call;
  out->extension = NULL;
  out->destroy = destroy;
  return EEA_OK;
}

EEA_EXPORT const eea_entry eea_plugin_v1 = {
    EEA_MAGIC, sizeof(eea_entry), EEA_ABI_MAJOR, EEA_ABI_MINOR, 0, {MANIFEST, sizeof MANIFEST - 1}, create};
