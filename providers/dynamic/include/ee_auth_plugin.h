/*
 * ee_auth_plugin.h: a provider of credentials for ee-auth, in a shared library.
 *
 * A library exports one symbol, `eea_plugin_v1`. The host (ee-auth, or a program that uses its library) reads it, calls
 * `create` and gets an instance, asks it with `call`, and gives it up with `destroy`. What is asked and answered is JSON:
 * one schema for libraries and executables, in docs/plugins.md of ee-auth.
 *
 *     load -> create -> call ... call -> destroy            (the library itself is never unloaded)
 *
 * Threads. Beside each function stands who calls it, and from where:
 *   [call]        the host, from any of its threads, but one call after the other for an instance; where the manifest says
 *                 `"thread_safe": true`, several at once
 *   [any thread]  may be called from any thread, also from one that the plugin started
 *   [in call]     the plugin may call it only while one of its `call`s or its `create` runs, from any thread, not twice at once
 *
 * Memory. Nothing that one side allocates is freed by the other. An `eea_str` that is passed to a function is borrowed until
 * that function returns: whoever needs it for longer copies it. Pointers in `eea_plugin_v1` and in what `extension` returns
 * are good for as long as the library is loaded, which is until the process ends.
 *
 * Growth. Structures only grow at their end, and `size` says how many bytes the writer of the structure knew, itself
 * included. Read no member that ends beyond `size`; ignore what lies beyond what you know. A change of another kind is a new
 * `abi_major` and a new symbol. What the host does where the two sides differ:
 *   abi_minor older or newer     goes on: it is for people to read
 *   abi_major other than 1       refuses the library, error `protocol`
 *   structure larger             goes on, and does not look at what it does not know
 *   structure smaller than the   refuses the library, error `protocol`
 *     one of version 1.0
 *
 * Errors. No exception, panic or longjmp may leave a function of the plugin, nor may it call exit(): in a process of its own
 * (`isolation = "process"`, the default) all of these are an error of the plugin; with `isolation = "in_process"` they are
 * the end of the program.
 *
 * Secrets. A log message, an error message and a prompt are shown to people: put no token, key or password into them.
 *
 * Compiles as C11 and as C++11 or newer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef EE_AUTH_PLUGIN_H
#define EE_AUTH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define EEA_EXPORT __declspec(dllexport)
#elif defined(__GNUC__) || defined(__clang__)
#define EEA_EXPORT __attribute__((visibility("default")))
#else
#define EEA_EXPORT
#endif

/* The first eight bytes of `eea_plugin_v1`. Not a string: there is no NUL at its end. */
#define EEA_MAGIC { 'E', 'E', 'A', 'U', 'T', 'H', 'P', 'L' }

/* The version that this file describes. */
#define EEA_ABI_MAJOR 1u
#define EEA_ABI_MINOR 0u

/* The most bytes of one message, either way: 1 MiB. */
#define EEA_MAX_MESSAGE ((size_t)1048576)

/* Text: UTF-8, `n` bytes, not NUL-terminated. Borrowed for the call. `p` may be NULL where `n` is 0. */
typedef struct {
  const char *p;
  size_t n;
} eea_str;

/* How a function ended. */
typedef int32_t eea_status;
#define EEA_OK ((eea_status)0)           /* done */
#define EEA_FAILED ((eea_status)1)       /* not done; where there is a sink, the answer in it says why */
#define EEA_BAD_ARGUMENT ((eea_status)2) /* what was passed is not what this file asks for: a bug of the other side */
#define EEA_INTERNAL ((eea_status)3)     /* a bug of this side; nothing that was written counts */

/* Severity of a log message. Any other number is taken as EEA_LOG_DEBUG. */
#define EEA_LOG_ERROR 1u
#define EEA_LOG_WARN 2u
#define EEA_LOG_INFO 3u
#define EEA_LOG_DEBUG 4u
#define EEA_LOG_TRACE 5u

/* Where one side puts text for the other. It belongs to whoever passes it, and is good until the function to which it was
 * passed returns. */
typedef struct {
  uint32_t size; /* bytes of this structure */
  void *ctx;     /* handed back to `write` as it is */

  /* Takes one whole message, and copies it before returning. EEA_BAD_ARGUMENT: longer than EEA_MAX_MESSAGE or not UTF-8,
   * and not taken. EEA_FAILED: nobody waits for it any longer, since the deadline has passed; stop and return.
   * [in call] */
  eea_status (*write)(void *ctx, eea_str message);
} eea_sink;

/* What a plugin may ask of its host. It belongs to the host, and is good from `create` until `destroy` has returned. */
typedef struct {
  uint32_t size;      /* bytes of this structure */
  uint32_t abi_major; /* 1 */
  void *ctx;          /* handed back to every function of the host, those of its extensions included */

  /* A line for the person who looks for a mistake, shown with `-v` or when the call fails. `level` is EEA_LOG_*. What looks
   * like a credential is hidden, control characters are dropped, and the rest is cut. [any thread] */
  void (*log)(void *ctx, uint32_t level, eea_str message);

  /* Whether nobody waits for this call any longer: 1 if so, 0 if not. `call` is `eea_request.call`; 0 means `create`. A
   * plugin that waits or loops asks it at least every 100 ms and returns EEA_FAILED when it is 1. [any thread] */
  uint32_t (*cancelled)(void *ctx, uint64_t call);

  /* A table of functions, by name: EEA_EXT_HTTP, EEA_EXT_PROMPT, EEA_EXT_STORE. NULL where this host has none of that name;
   * a plugin then does without, or answers `invalid`. `id` is NUL-terminated. [any thread] */
  const void *(*extension)(void *ctx, const char *id);
} eea_host;

/* What the host asks. It belongs to the host, and is good until `call` returns. */
typedef struct {
  uint32_t size;       /* bytes of this structure */
  uint32_t flags;      /* 0; ignore what you do not know */
  uint64_t call;       /* the number of this call, never 0; for `cancelled` and the extensions */
  int64_t deadline_ms; /* milliseconds that remain when `call` begins; always positive */
  eea_str json;        /* the request, one JSON object: docs/plugins.md */
} eea_request;

/* An instance, as `create` makes it. The memory is the host's; what `self` points to is the plugin's. */
typedef struct {
  uint32_t size; /* in: the bytes there are, at least 256. out: the bytes that were written, sizeof(eea_provider) */
  void *self;    /* handed back to every function of the plugin; may be NULL */

  /* Answers one request: writes one answer, and returns EEA_OK for a success and EEA_FAILED for a failure. Messages before
   * the answer have a key `event`; after the answer nothing is written. Past the deadline the call is abandoned: in a
   * process of its own, that process is killed; in process, the instance is never used again and never destroyed.
   * [call] */
  eea_status (*call)(void *self, const eea_request *request, const eea_sink *out);

  /* A table of functions that the plugin has beyond this file. NULL where it has none of that name; the member itself may
   * be NULL. No name is in use as yet. [any thread] */
  const void *(*extension)(void *self, const char *id);

  /* Frees the instance. No call runs, and none will follow. May be NULL. [call] */
  void (*destroy)(void *self);
} eea_provider;

/* What a library exports. */
typedef struct {
  char magic[8];      /* EEA_MAGIC */
  uint32_t size;      /* sizeof(eea_entry) */
  uint32_t abi_major; /* EEA_ABI_MAJOR */
  uint32_t abi_minor; /* EEA_ABI_MINOR */
  uint32_t flags;     /* 0 */
  eea_str manifest;   /* the answer to `describe`, known without running anything: docs/plugins.md */

  /* Makes an instance. `config` is the `config` of the provider's table in ee-auth.toml, a JSON object; the requests hold
   * the same. The host gives `out` zeroed but for its `size`; the plugin fills it in, no further than that, and sets `size`
   * to sizeof(eea_provider). Where it cannot, it writes a failure to `err`, returns EEA_FAILED and leaves `out` alone.
   * Several instances of a library may live at once. It may be called from several threads, one after the other.
   * [call] */
  eea_status (*create)(const eea_host *host, eea_str config, eea_provider *out, const eea_sink *err);
} eea_entry;

/* The only symbol that a library has to export, and the only one that it should. */
EEA_EXPORT extern const eea_entry eea_plugin_v1;

/* ---- Extensions of the host -------------------------------------------------------------------------------------------
 *
 * In each, `ctx` is `eea_host.ctx` and `call` is `eea_request.call`; they may be used from the beginning of that call until it
 * returns, and answer EEA_FAILED before and after. All of them wait: at the longest until the call's deadline.
 */

/* HTTP as the host does it: its proxy, its certificates, its timeouts, its retries. Only https, and only to the hosts that
 * the manifest lists in `http_hosts`; plain http to a loopback address that is listed. Redirects are not followed. A POST or PUT
 * is not sent twice. */
#define EEA_EXT_HTTP "http/1"

/* A header of a request, or a field of a form. */
typedef struct {
  eea_str name;
  eea_str value;
} eea_pair;

typedef struct {
  uint32_t size;           /* bytes of this structure */
  eea_str method;          /* "GET", "POST" or "PUT" */
  eea_str url;
  const eea_pair *headers; /* at most 32; may be NULL where `headers_n` is 0 */
  size_t headers_n;
  eea_str json;            /* the body, sent as application/json; empty for none */
  const eea_pair *form;    /* or the body's fields, sent as application/x-www-form-urlencoded; NULL for none */
  size_t form_n;
} eea_http_request;

typedef struct {
  uint32_t size;        /* bytes of this structure */
  uint32_t status;      /* the status code; 0 where there was no answer */
  eea_str body;         /* at most EEA_MAX_MESSAGE; the bytes as they came, which need not be UTF-8 */
  eea_str content_type; /* as sent; empty where none was */
  eea_str error;        /* why there was no answer, for a person; empty where there was one */
} eea_http_response;

typedef struct {
  uint32_t size; /* bytes of this structure */

  /* Sends a request and calls `receive` exactly once with what came of it, before it returns: EEA_OK with an answer of any
   * status, EEA_FAILED with `status` 0 and `error`. EEA_BAD_ARGUMENT: not called, nothing was sent. The response is
   * borrowed for the length of `receive`. [in call] */
  eea_status (*send)(void *ctx, uint64_t call, const eea_http_request *request, void *receiver,
                     void (*receive)(void *receiver, const eea_http_response *response));
} eea_host_http;

/* The person in front of the machine, where there is one. What is shown is cleaned of control characters, cut, and marked as
 * the plugin's words. Only where the request says `"interactive": true`. */
#define EEA_EXT_PROMPT "prompt/1"

typedef struct {
  uint32_t size; /* bytes of this structure */

  /* Tells the person something: what is being waited for. EEA_FAILED where nobody is there. [in call] */
  eea_status (*show)(void *ctx, uint64_t call, eea_str message);

  /* Asks the person to open an https address, and to enter `code` there if it is not empty: at most 64 letters, digits, '-'
   * and spaces (RFC 8628, section 3.3). Does not wait until they have. EEA_FAILED where nobody is there. [in call] */
  eea_status (*open)(void *ctx, uint64_t call, eea_str message, eea_str url, eea_str code);

  /* Asks the person for a line and writes it to `out` in one message. EEA_FAILED where nobody answers. [in call] */
  eea_status (*text)(void *ctx, uint64_t call, eea_str question, const eea_sink *out);

  /* As `text`, for a secret, which is not shown as it is typed. [in call] */
  eea_status (*secret)(void *ctx, uint64_t call, eea_str question, const eea_sink *out);
} eea_host_prompt;

/* A small store of secrets that lives on between runs: a name space for each provider in ee-auth.toml. A key has 1 to
 * 128 characters, a value at most 65536 bytes; there are at most 64 of them. */
#define EEA_EXT_STORE "store/1"

typedef struct {
  uint32_t size; /* bytes of this structure */

  /* Writes the value to `out` in one message, and nothing where there is none; EEA_OK in both cases. [in call] */
  eea_status (*get)(void *ctx, uint64_t call, eea_str key, const eea_sink *out);

  /* Keeps a value, in place of the one before. [in call] */
  eea_status (*set)(void *ctx, uint64_t call, eea_str key, eea_str value);

  /* Forgets a value; none there is no error. [in call] */
  eea_status (*erase)(void *ctx, uint64_t call, eea_str key);
} eea_host_store;

#ifdef __cplusplus
}
#endif

#endif /* EE_AUTH_PLUGIN_H */
