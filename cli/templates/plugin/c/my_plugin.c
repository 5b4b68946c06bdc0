/*
 * my-plugin: a provider for ee-auth, in C.
 *
 * ee_auth_plugin.h says beside every function who calls it, from which thread, and whose the memory is. Change `get`; the rest
 * can stay as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ee_auth_plugin.h"

/* What the plugin is. `thread_safe`: whether `call` may run in several threads at once. `http_hosts`: the hosts that the http/1
 * service may ask for this plugin. */
static const char MANIFEST[] =
    "{\"name\": \"my-plugin\", \"plugin_version\": \"0.1.0\", \"ops\": [\"get\"],"
    " \"description\": \"Hands out a token from a file\", \"thread_safe\": true, \"http_hosts\": []}";

/* One instance. */
typedef struct {
  const eea_host *host;
  char *token_file; /* NULL where the configuration has none */
} plugin;

static eea_str str(const char *text) {
  eea_str s;
  s.p = text;
  s.n = strlen(text);
  return s;
}

/* Refuses: `code` is one of not_found, not_applicable, interaction_required, unavailable, rejected, invalid. The message is for
 * a person; there must be nothing in it that JSON would have to escape, and no secret. */
static eea_status refuse(const eea_sink *out, const char *code, const char *message) {
  char answer[512];
  snprintf(answer, sizeof answer, "{\"version\":1,\"success\":false,\"code\":\"%s\",\"message\":\"%s\"}", code, message);
  out->write(out->ctx, str(answer));
  return EEA_FAILED;
}

/* Where the value of a key begins in a JSON object, if it is a string. Enough for flat objects that ee-auth writes, in which
 * no white space stands between key and value; use a JSON library for more. */
static const char *value_of(eea_str json, const char *key, size_t *n) {
  char quoted[64];
  size_t i, length, end;
  length = (size_t)snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
  for (i = 0; i + length <= json.n; i++) {
    if (memcmp(json.p + i, quoted, length) != 0) continue;
    for (end = i + length; end < json.n && json.p[end] != '"'; end++)
      if (json.p[end] == '\\') return NULL; /* an escape: not looked into here */
    *n = end - (i + length);
    return json.p + i + length;
  }
  return NULL;
}

/* The token. Replace the body: ask your secret store, and never a person. */
static eea_status get(plugin *self, const eea_sink *out) {
  char token[2048], answer[4096];
  FILE *file;
  size_t n, i;
  if (self->token_file == NULL)
    return refuse(out, "invalid", "set token_file: config = { token_file = '/run/secrets/ee-token' }");
  file = fopen(self->token_file, "rb");
  if (file == NULL) return refuse(out, "not_found", "there is no file at token_file");
  n = fread(token, 1, sizeof token - 1, file);
  fclose(file);
  while (n > 0 && (token[n - 1] == '\n' || token[n - 1] == '\r' || token[n - 1] == ' ')) n--;
  token[n] = 0;
  for (i = 0; i < n; i++)
    if (token[i] < '!' || token[i] > '~' || token[i] == '"' || token[i] == '\\')
      return refuse(out, "invalid", "what is in token_file is no token");
  if (n == 0) return refuse(out, "not_found", "the file at token_file is empty");
  /* "expiration_time" is in seconds since 1970: ask whoever gave you the token; a wrong answer here is a 401 later. "cache" is
   * never, session (memory) or expires (disk); "principal" and "project" are compared with `expect` in ee-auth.toml. */
  snprintf(answer, sizeof answer,
           "{\"version\":1,\"success\":true,\"token_type\":\"urn:ietf:params:oauth:token-type:access_token\","
           "\"access_token\":\"%s\",\"expiration_time\":%lld,\"cache\":\"session\",\"principal\":null,\"project\":null}",
           token, (long long)time(NULL) + 600);
  if (out->write(out->ctx, str(answer)) != EEA_OK) return EEA_FAILED;
  self->host->log(self->host->ctx, EEA_LOG_DEBUG, str("read token_file"));
  return EEA_OK;
}

/* Whether an array of numbers that is the value of "v" has a 1: the version of the protocol that is spoken here. */
static int speaks_version_1(eea_str json) {
  static const char KEY[] = "\"v\":[";
  size_t i, n = sizeof KEY - 1;
  for (i = 0; i + n <= json.n; i++) {
    if (memcmp(json.p + i, KEY, n) != 0) continue;
    for (i += n; i < json.n && json.p[i] != ']'; i++)
      if (json.p[i] == '1' && (json.p[i - 1] == '[' || json.p[i - 1] == ',') && i + 1 < json.n &&
          (json.p[i + 1] == ']' || json.p[i + 1] == ','))
        return 1;
    return 0;
  }
  return 0;
}

static eea_status call(void *self, const eea_request *request, const eea_sink *out) {
  size_t n = 0;
  const char *op;
  if (self == NULL || request == NULL || out == NULL) return EEA_BAD_ARGUMENT;
  if (!speaks_version_1(request->json)) return refuse(out, "invalid", "my-plugin speaks version 1 of the protocol");
  op = value_of(request->json, "op", &n);
  if (op != NULL && n == 3 && memcmp(op, "get", 3) == 0) return get((plugin *)self, out);
  return refuse(out, "not_applicable", "my-plugin knows the operation get alone");
}

static void destroy(void *pointer) {
  plugin *self = (plugin *)pointer;
  if (self == NULL) return;
  free(self->token_file);
  free(self);
}

static eea_status create(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err) {
  plugin *self;
  const char *file;
  size_t n = 0;
  (void)err;
  if (host == NULL || host->size < sizeof *host || out == NULL || out->size < sizeof *out) return EEA_BAD_ARGUMENT;
  self = (plugin *)calloc(1, sizeof *self);
  if (self == NULL) return EEA_INTERNAL;
  self->host = host;
  file = value_of(config, "token_file", &n);
  if (file != NULL) {
    self->token_file = (char *)malloc(n + 1);
    if (self->token_file == NULL) {
      free(self);
      return EEA_INTERNAL;
    }
    memcpy(self->token_file, file, n);
    self->token_file[n] = 0;
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
