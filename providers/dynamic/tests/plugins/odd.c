/* A plugin that does what its configuration says: config = { do = "segfault" }. Built with -D for what it exports. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ee_auth_plugin.h"

#ifndef MAGIC
#define MAGIC EEA_MAGIC
#endif
#ifndef MAJOR
#define MAJOR EEA_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR EEA_ABI_MINOR
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(eea_entry)
#endif
#ifndef PROVIDER_SIZE
#define PROVIDER_SIZE sizeof(eea_provider)
#endif
#ifndef THREAD_SAFE
#define THREAD_SAFE "false"
#endif
#ifndef MANIFEST
#define MANIFEST                                                                                             \
  "{\"name\": \"odd\",\n \"plugin_version\": \"1\", \"ops\": [\"get\", \"login\"], \"thread_safe\": " THREAD_SAFE \
  ", \"http_hosts\": [\"127.0.0.1\"]}"
#endif

static const eea_host *host;
static eea_sink kept;
static int inside, most_inside, made, destroyed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static eea_str str(const char *text) {
  eea_str s;
  s.p = text;
  s.n = strlen(text);
  return s;
}

static int asked(eea_str json, const char *what) {
  char wanted[64];
  size_t i, n;
  snprintf(wanted, sizeof wanted, "\"do\":\"%s\"", what);
  n = strlen(wanted);
  for (i = 0; i + n <= json.n; i++)
    if (memcmp(json.p + i, wanted, n) == 0) return 1;
  return 0;
}

static void wait_ms(long ms) {
  struct timespec t;
  t.tv_sec = ms / 1000;
  t.tv_nsec = (ms % 1000) * 1000000;
  nanosleep(&t, NULL);
}

static void crash(void) {
  volatile int *volatile nowhere = NULL;
  *nowhere = 1;
}

static eea_status say(const eea_sink *out, const char *text) { return out->write(out->ctx, str(text)); }

static eea_status token(const eea_sink *out, const char *value) {
  char answer[512];
  snprintf(answer, sizeof answer,
           "{\"version\": 1, \"success\": true,\n \"token_type\": \"Bearer\", \"access_token\": \"%s\", "
           "\"principal\": \"odd@example.com\"}", value);
  return say(out, answer);
}

static void log_line(const char *text) { host->log(host->ctx, EEA_LOG_INFO, str(text)); }

struct text { char p[256]; size_t n; };

static eea_status keep_text(void *ctx, eea_str message) {
  struct text *text = ctx;
  text->n = message.n < sizeof text->p - 1 ? message.n : sizeof text->p - 1;
  memcpy(text->p, message.p, text->n);
  text->p[text->n] = 0;
  return EEA_OK;
}

static void receive(void *ctx, const eea_http_response *response) {
  struct text *text = ctx;
  eea_str s = response->status ? response->body : response->error;
  keep_text(text, s);
}

static eea_status services(const eea_request *request, const eea_sink *out) {
  const eea_host_store *store = host->extension(host->ctx, EEA_EXT_STORE);
  const eea_host_http *http = host->extension(host->ctx, EEA_EXT_HTTP);
  const eea_host_prompt *prompt = host->extension(host->ctx, EEA_EXT_PROMPT);
  struct text text = {"", 0};
  eea_sink sink;
  eea_http_request get;
  sink.size = sizeof sink;
  sink.ctx = &text;
  sink.write = keep_text;
  if (!store || !http || !prompt || host->extension(host->ctx, "none/1")) return EEA_INTERNAL;
  if (store->get(host->ctx, request->call, str("key"), &sink) != EEA_OK || text.n != 0) return say(out, "store 1"), EEA_INTERNAL;
  if (store->set(host->ctx, request->call, str("key"), str("kept-value")) != EEA_OK) return EEA_INTERNAL;
  if (store->get(host->ctx, request->call, str("key"), &sink) != EEA_OK) return EEA_INTERNAL;
  if (strcmp(text.p, "kept-value") != 0) return EEA_INTERNAL;
  if (store->erase(host->ctx, request->call, str("key")) != EEA_OK) return EEA_INTERNAL;
  /* Nobody may be asked in a `get`. */
  if (prompt->show(host->ctx, request->call, str("hello")) != EEA_FAILED) return EEA_INTERNAL;
  if (prompt->secret(host->ctx, request->call, str("hello"), &sink) != EEA_FAILED) return EEA_INTERNAL;
  memset(&get, 0, sizeof get);
  get.size = sizeof get;
  get.method = str("GET");
  get.url = str("https://elsewhere.example/");
  if (http->send(host->ctx, request->call, &get, &text, receive) != EEA_FAILED) return EEA_INTERNAL;
  if (!strstr(text.p, "http_hosts")) return EEA_INTERNAL;
  get.size = 8;
  if (http->send(host->ctx, request->call, &get, &text, receive) != EEA_BAD_ARGUMENT) return EEA_INTERNAL;
  if (http->send(host->ctx, request->call, NULL, &text, receive) != EEA_BAD_ARGUMENT) return EEA_INTERNAL;
  /* A call that is over, or never was. */
  if (store->get(host->ctx, request->call + 1000, str("key"), &sink) != EEA_FAILED) return EEA_INTERNAL;
  return token(out, "services-work");
}

static eea_status answer(const eea_request *request, const eea_sink *out) {
  eea_str json = request->json;
  if (asked(json, "segfault")) crash();
  if (asked(json, "abort")) abort();
  if (asked(json, "exit")) exit(0);
  if (asked(json, "loop"))
    for (;;) wait_ms(1000);
  if (asked(json, "spin"))
    for (;;) inside |= 0;
  if (asked(json, "stdout")) {
    printf("{\"version\":1,\"success\":true,\"access_token\":\"forged\"}\n");
    fflush(stdout);
    if (write(1, "stray\n", 6) < 0) return EEA_INTERNAL;
    if (getchar() != EOF) return EEA_INTERNAL;
    return token(out, "the-real-one");
  }
  if (asked(json, "stderr")) {
    fprintf(stderr, "cannot find the frobnicator\n");
    crash();
  }
  if (asked(json, "leak")) {
    int i;
    for (i = 0; i < 64; i++) {
      char *p = malloc(1 << 20);
      if (p) memset(p, 1, 1 << 20);
    }
    return token(out, "after-a-leak");
  }
  if (asked(json, "silent")) return EEA_OK;
  if (asked(json, "fault"))
    return say(out, "{\"fault\":{\"outcome\":\"untrusted\",\"detail\":\"sha256\",\"message\":\"x\",\"hint\":\"y\"}}"), EEA_FAILED;
  if (asked(json, "two")) {
    token(out, "first");
    return token(out, "second");
  }
  if (asked(json, "event_first")) {
    say(out, "{\"event\": \"log\", \"message\": \"working\"}");
    return token(out, "after-an-event");
  }
  if (asked(json, "utf8")) return say(out, "{\"version\":1,\"success\":false,\"message\":\"\xff\xfe\"}"), EEA_FAILED;
  if (asked(json, "garbage")) return say(out, "garbage\nmore");
  if (asked(json, "half")) return say(out, "{\"version\":1,\"succ");
  if (asked(json, "huge")) {
    eea_str s;
    char *p = calloc(1, EEA_MAX_MESSAGE + 1);
    eea_status status;
    memset(p, 'x', EEA_MAX_MESSAGE + 1);
    s.p = p;
    s.n = EEA_MAX_MESSAGE + 1;
    status = out->write(out->ctx, s);
    free(p);
    return status == EEA_BAD_ARGUMENT ? EEA_FAILED : EEA_OK;
  }
  if (asked(json, "null")) {
    eea_str s;
    s.p = NULL;
    s.n = 5;
    return out->write(out->ctx, s);
  }
  if (asked(json, "no_token")) return say(out, "{\"version\":1,\"success\":true}");
  if (asked(json, "expired")) return say(out, "{\"version\":1,\"success\":true,\"access_token\":\"t\",\"expiration_time\":1}");
  if (asked(json, "wrong_status")) return say(out, "{\"version\":1,\"success\":false,\"code\":\"not_found\"}"), EEA_OK;
  if (asked(json, "internal")) return EEA_INTERNAL;
  if (asked(json, "status")) return 99;
  if (asked(json, "not_found")) return say(out, "{\"version\":1,\"success\":false,\"code\":\"not_found\",\"message\":\"nothing in here\"}"), EEA_FAILED;
  if (asked(json, "late")) {
    /* Past its deadline, a plugin that looks at nothing still writes. */
    while (!host->cancelled(host->ctx, request->call)) wait_ms(5);
    log_line("still here");
    if (token(out, "too-late") != EEA_FAILED) log_line("taken");
    if (host->cancelled(host->ctx, request->call) != 1) log_line("not cancelled");
    log_line("late is over");
    return EEA_FAILED;
  }
  if (asked(json, "after")) {
    /* A sink that is used when its call is over. */
    kept = *out;
    return token(out, "in-time");
  }
  if (asked(json, "again") && kept.write) {
    if (kept.write(kept.ctx, str("{}")) != EEA_FAILED) return EEA_INTERNAL;
    return token(out, "again");
  }
  if (asked(json, "services")) return services(request, out);
  if (asked(json, "log")) {
    log_line("token is ya29.abcdefghijklmnop\n\033[31mand more");
    return token(out, "logged");
  }
  if (asked(json, "turns")) {
    char text[32];
    pthread_mutex_lock(&mutex);
    if (++inside > most_inside) most_inside = inside;
    pthread_mutex_unlock(&mutex);
    wait_ms(30);
    pthread_mutex_lock(&mutex);
    inside--;
    snprintf(text, sizeof text, "at-once-%s", most_inside > 1 ? "many" : "one");
    pthread_mutex_unlock(&mutex);
    return token(out, text);
  }
  if (asked(json, "counts")) {
    char text[64];
    snprintf(text, sizeof text, "made-%d-destroyed-%d", made, destroyed);
    return token(out, text);
  }
  if (asked(json, "deadline")) {
    return token(out, request->deadline_ms > 0 && request->deadline_ms <= 20000 && request->call != 0 && request->flags == 0 ? "fine" : "wrong");
  }
  if (asked(json, "environment")) {
    const char *named = getenv("CARGO_PKG_NAME"), *other = getenv("CARGO_MANIFEST_DIR");
    char text[64];
    snprintf(text, sizeof text, "named-%s-other-%s", named ? named : "unset", other ? "set" : "unset");
    return token(out, text);
  }
  return token(out, "plain-token");
}

static eea_status call(void *self, const eea_request *request, const eea_sink *out) {
  (void)self;
  return answer(request, out);
}

static void destroy(void *self) {
  (void)self;
  destroyed++;
}

static eea_status create(const eea_host *given, eea_str config, eea_provider *out, const eea_sink *err) {
  host = given;
  if (asked(config, "create_fails")) {
    say(err, "{\"version\":1,\"success\":false,\"code\":\"invalid\",\"message\":\"`tenant` is missing\"}");
    return EEA_FAILED;
  }
  if (asked(config, "create_silent")) return EEA_FAILED;
  if (asked(config, "create_loops"))
    for (;;) wait_ms(1000);
  if (asked(config, "create_beyond")) memset(out, 0, 300);
  if (out->size < sizeof *out) return EEA_BAD_ARGUMENT;
  out->size = PROVIDER_SIZE;
  out->self = NULL;
  out->call = asked(config, "no_call") ? NULL : call;
  out->destroy = asked(config, "no_destroy") ? NULL : destroy;
  made++;
  return EEA_OK;
}

#ifdef LARGER
/* What a later version may add. */
typedef struct {
  eea_entry entry;
  uint64_t more[4];
} larger_entry;
EEA_EXPORT extern const larger_entry later;
const larger_entry later __asm__("eea_plugin_v1") = {
    {MAGIC, sizeof(larger_entry), MAJOR, MINOR, 0, {MANIFEST, sizeof MANIFEST - 1}, create}, {1, 2, 3, 4}};
#elif defined(SYMBOL)
EEA_EXPORT extern const eea_entry SYMBOL;
const eea_entry SYMBOL = {MAGIC, ENTRY_SIZE, MAJOR, MINOR, 0, {MANIFEST, sizeof MANIFEST - 1}, create};
#else
const eea_entry eea_plugin_v1 = {MAGIC, ENTRY_SIZE, MAJOR, MINOR, 0, {MANIFEST, sizeof MANIFEST - 1}, create};
#endif
