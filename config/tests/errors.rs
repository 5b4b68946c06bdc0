//! What a person is told of a wrong file: the whole text, as on a terminal without colours.

mod support;

use support::{USER_FILE, config, error, refused, user};

#[test]
fn the_message_is_one_line_with_place_and_nearest_name() {
    let error = error(&user("\nprojct = \"x\"\n"));
    assert_eq!(error.message(), format!("{USER_FILE}:2:1: unknown key `projct`; did you mean `project`?"));
    assert_eq!(error.code(), "invalid.config");
}

#[test]
fn unknown_keys() {
    refused(
        "scopes = [\"drive\"]\nprojct = \"my-project\"\n",
        "
error: unknown key `projct`; did you mean `project`?
 --> FILE:2:1
  |
2 | projct = \"my-project\"
  | ^^^^^^ unknown
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles",
    );
    refused(
        "[cache]\nstroe = \"disk\"\n",
        "
error: unknown key `stroe` in `[cache]`; did you mean `store`?
 --> FILE:2:1
  |
2 | stroe = \"disk\"
  | ^^^^^ unknown
hint: the keys here are store",
    );
    refused(
        "[providers.vault]\nkind = \"exec\"\ncomand = [\"/bin/vault\"]\n",
        "
error: unknown key `comand` in `[providers.vault]`; did you mean `command`?
 --> FILE:3:1
  |
3 | comand = [\"/bin/vault\"]
  | ^^^^^^ unknown
hint: a provider of the kind `exec` takes kind, expect, on, command, protocol, timeout, sha256, env, config",
    );
    refused(
        "[profiles.work.security]\nallow_executable = true\n",
        "
error: unknown key `allow_executable` in `[profiles.work.security]`; did you mean `allow_executables`?
 --> FILE:2:1
  |
2 | allow_executable = true
  | ^^^^^^^^^^^^^^^^ unknown
hint: the keys here are token_hosts, universe_domain, allow_executables",
    );
}

#[test]
fn keys_in_the_wrong_place() {
    refused(
        "[cache]\nproject = \"my-project\"\n",
        "
error: unknown key `project` in `[cache]`
 --> FILE:2:1
  |
2 | project = \"my-project\"
  | ^^^^^^^ unknown
hint: `project` is a key of the whole file: it stands above the first `[table]`",
    );
    refused(
        "store = \"disk\"\n",
        "
error: unknown key `store`
 --> FILE:1:1
  |
1 | store = \"disk\"
  | ^^^^^ unknown
hint: `store` stands in `[cache]`",
    );
    refused(
        "[gcloud]\n",
        "
error: unknown key `gcloud`
 --> FILE:1:2
  |
1 | [gcloud]
  |  ^^^^^^ unknown
hint: the options of a provider stand in `[providers.gcloud]`",
    );
    refused(
        "key_file = \"ee.json\"\n",
        "
error: unknown key `key_file`
 --> FILE:1:1
  |
1 | key_file = \"ee.json\"
  | ^^^^^^^^ unknown
hint: `key_file` is an option of providers of the kind `service_account`: it stands in their tables",
    );
    refused(
        "[profiles.work.profiles.home]\n",
        "
error: unknown key `profiles` in `[profiles.work]`
 --> FILE:1:16
  |
1 | [profiles.work.profiles.home]
  |                ^^^^^^^^ unknown
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers",
    );
    refused(
        "\"cache.store\" = \"disk\"\n",
        "
error: unknown key `cache.store`
 --> FILE:1:1
  |
1 | \"cache.store\" = \"disk\"
  | ^^^^^^^^^^^^^ unknown
hint: the keys here are project, scopes, chain, impersonate, login, cache, plugins, endpoints, security, providers, profiles",
    );
}

#[test]
fn wrong_types() {
    refused(
        "project = 5",
        "
error: `project` must be a string, not an integer
 --> FILE:1:11
  |
1 | project = 5
  |           ^",
    );
    refused(
        "scopes = \"earthengine, drive\"",
        "
error: `scopes` must be an array of OAuth scopes, not a string
 --> FILE:1:10
  |
1 | scopes = \"earthengine, drive\"
  |          ^^^^^^^^^^^^^^^^^^^^
hint: write it as [\"earthengine\", \"drive\"]",
    );
    refused(
        "[providers.vault]\nkind = \"exec\"\ntimeout = 10",
        "
error: `providers.vault.timeout` must be a duration like \"10s\" or \"5m\", not an integer
 --> FILE:3:11
  |
3 | timeout = 10
  |           ^^
hint: write it as \"10s\"",
    );
    refused(
        "[security]\nallow_executables = \"true\"",
        "
error: `security.allow_executables` must be true or false, not a string
 --> FILE:2:21
  |
2 | allow_executables = \"true\"
  |                     ^^^^^^
hint: write it without quotes",
    );
    refused(
        "[[providers.vault]]\nkind = \"exec\"",
        "
error: `providers.vault` must be a table
 --> FILE:1:1
  |
1 | [[providers.vault]]
  | ^^^^^^^^^^^^^^^^^^^",
    );
    refused(
        "cache = \"disk\"",
        "
error: `cache` must be a table
 --> FILE:1:9
  |
1 | cache = \"disk\"
  |         ^^^^^^",
    );
    refused(
        "[providers.gcloud]\non = \"continue\"",
        "
error: `providers.gcloud.on` must be a table
 --> FILE:2:6
  |
2 | on = \"continue\"
  |      ^^^^^^^^^^
hint: write it as { invalid = \"continue\" }",
    );
    refused(
        "chain = [\n  \"gcloud\",\n  3,\n]",
        "
error: `chain` must be an array of names of providers; this is an integer
 --> FILE:3:3
  |
3 |   3,
  |   ^",
    );
}

#[test]
fn wrong_values() {
    refused(
        "[cache]\nstore = \"dsik\"",
        "
error: `cache.store` must be one of \"disk\", \"keyring\", \"memory\", \"none\", not `dsik`; did you mean `disk`?
 --> FILE:2:9
  |
2 | store = \"dsik\"
  |         ^^^^^^",
    );
    refused(
        "project = \" \"",
        "
error: `project` is empty
 --> FILE:1:11
  |
1 | project = \" \"
  |           ^^^
hint: leave the key out, or give it a value",
    );
    refused(
        "scopes = []",
        "
error: `scopes` is empty
 --> FILE:1:10
  |
1 | scopes = []
  |          ^^
hint: name a scope, or leave the key out",
    );
    refused(
        "scopes = [\"earthengine\", \"a b\"]",
        "
error: `scopes`: \"a b\" is not an OAuth scope
 --> FILE:1:26
  |
1 | scopes = [\"earthengine\", \"a b\"]
  |                          ^^^^^
hint: scopes are names like `earthengine` or addresses like `https://www.googleapis.com/auth/earthengine`, separated by commas",
    );
    refused(
        "[providers.vault]\nkind = \"exec\"\ntimeout = \"10 parsecs\"",
        "
error: `providers.vault.timeout`: `10 parsecs` is not a duration
 --> FILE:3:11
  |
3 | timeout = \"10 parsecs\"
  |           ^^^^^^^^^^^^
hint: write a number with its unit, like \"10s\", \"5m\" or \"1h\"",
    );
    refused(
        "[providers.localhost]\nport = 65536",
        "
error: `providers.localhost.port` must be a port number from 0 to 65535, not `65536`
 --> FILE:2:8
  |
2 | port = 65536
  |        ^^^^^
hint: 0 means any that is free",
    );
    refused(
        "[providers.localhost]\nport = \"8085\"",
        "
error: `providers.localhost.port` must be a port number from 0 to 65535, not a string
 --> FILE:2:8
  |
2 | port = \"8085\"
  |        ^^^^^^
hint: write it without quotes",
    );
    refused(
        "[login]\nclient_file = \"~bob/client.json\"",
        "
error: `login.client_file`: `~bob/client.json`: of `~`, only `~/` is understood
 --> FILE:2:15
  |
2 | client_file = \"~bob/client.json\"
  |               ^^^^^^^^^^^^^^^^^^
hint: write the path in full; for a file whose name begins with `~`, write `./~`",
    );
    refused(
        "[providers.vault]\nkind = \"exec\"\nconfig = { x = inf }",
        "
error: `providers.vault.config.x`: this number cannot be written in JSON, as plugins get it
 --> FILE:3:16
  |
3 | config = { x = inf }
  |                ^^^",
    );
}

#[test]
fn endpoints_and_hosts() {
    refused(
        "[endpoints]\ntoken = \"http://oauth2.example/token\"",
        "
error: `endpoints.token`: http would send secrets to oauth2.example in clear text
 --> FILE:2:9
  |
2 | token = \"http://oauth2.example/token\"
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
hint: write https; http is for this machine alone, like http://127.0.0.1:8080",
    );
    refused(
        "[endpoints]\nsts = \"sts.googleapis.com\"",
        "
error: `endpoints.sts`: `sts.googleapis.com` is not an address: relative URL without a base
 --> FILE:2:7
  |
2 | sts = \"sts.googleapis.com\"
  |       ^^^^^^^^^^^^^^^^^^^^
hint: write it in full, with `https://`",
    );
    refused(
        "[endpoints]\nrevoke = \"https://ada:pass@host/\"",
        "
error: `endpoints.revoke`: the address carries a user name, which no request would send
 --> FILE:2:10
  |
2 | revoke = \"https://********@host/\"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^",
    );
    for (text, message) in [
        ("[security]\ntoken_hosts = [\"*.googleapis.com\"]", "`*.googleapis.com` is not a host"),
        ("[security]\ntoken_hosts = [\"https://x\"]", "`https://x` is not a host"),
        ("[security]\ntoken_hosts = [\"x/y\"]", "`x/y` is not a host"),
        ("[security]\ntoken_hosts = [\"u@x\"]", "`u@x` is not a host"),
        ("[security]\ntoken_hosts = [\"\"]", "`` is not a host"),
        ("[security]\ntoken_hosts = [\"x:443\"]", "`x:443` names the port of https"),
        ("[security]\nuniverse_domain = \"localhost\"", "`localhost` is not a domain"),
        ("[endpoints]\ntoken = \"file:///etc/passwd\"", "must be https, not file"),
        ("[endpoints]\ntoken = \"http://metadata.google.internal\"", "http would send secrets to metadata"),
        ("[endpoints]\ntoken = \"https://x/?a=b\"", "has a `?` or `#` part"),
    ] {
        let error = error(&user(text));
        assert!(error.message().contains(message), "{}", error.message());
    }
    for text in [
        "[endpoints]\nmetadata = \"http://169.254.169.254\"\ntoken = \"http://127.0.0.1:1/token\"",
        "[endpoints]\ntoken = \"http://localhost:1\"\nsts = \"http://[::1]:1\"",
        "[security]\ntoken_hosts = [\"[::1]:80\", \"Bücher.example\", \"127.0.0.1\"]",
    ] {
        config(&user(text));
    }
}

#[test]
fn names_of_providers() {
    refused(
        "chain = [\"vualt\", \"gcloud\"]\n[providers.vault]\nkind = \"exec\"",
        "
error: unknown provider `vualt` in `chain`; did you mean `vault`?
 --> FILE:1:10
  |
1 | chain = [\"vualt\", \"gcloud\"]
  |          ^^^^^^^
hint: the providers are explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost, vault",
    );
    refused(
        "chain = [\"exec\"]",
        "
error: `exec` in `chain` is a kind of provider that has to be declared under a name
 --> FILE:1:10
  |
1 | chain = [\"exec\"]
  |          ^^^^^^
hint: add `[providers.NAME]` with `kind = \"exec\"`, and put NAME into `chain`",
    );
    refused(
        "chain = [\"gcloud\", \"gcloud\"]",
        "
error: `chain`: `gcloud` is named twice
 --> FILE:1:20
  |
1 | chain = [\"gcloud\", \"gcloud\"]
  |                    ^^^^^^^^
hint: a provider is asked once: leave out one of the two",
    );
    refused(
        "[providers.vault]\nkind = \"exce\"",
        "
error: unknown kind `exce`; did you mean `exec`?
 --> FILE:2:8
  |
2 | kind = \"exce\"
  |        ^^^^^^
hint: the kinds are explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost, exec, dynamic, impersonate, external_account",
    );
    refused(
        "[providers.service_acount]\nkey_file = \"ee.json\"",
        "
error: no kind of provider is called `service_acount`; did you mean `service_account`?
 --> FILE:1:12
  |
1 | [providers.service_acount]
  |            ^^^^^^^^^^^^^^
hint: to declare a provider of your own, say what it is with `kind = \"…\"`: explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost, exec, dynamic, impersonate, external_account",
    );
    refused(
        "[providers.gcloud]\nkind = \"exec\"",
        "
error: `[providers.gcloud]` has the options of the built-in kind `gcloud`: it cannot be of the kind `exec`
 --> FILE:2:8
  |
2 | kind = \"exec\"
  |        ^^^^^^
hint: give the provider another name",
    );
    refused(
        "[providers.\"my vault\"]\nkind = \"exec\"",
        "
error: `my vault` cannot be the name of a provider
 --> FILE:1:12
  |
1 | [providers.\"my vault\"]
  |            ^^^^^^^^^^
hint: a provider's name has up to 64 letters, digits, `_` and `-`, and begins with a letter or digit",
    );
    refused(
        "[providers.robot]\nkind = \"impersonate\"\nsource = \"persistant\"",
        "
error: unknown provider `persistant` in `source`; did you mean `persistent`?
 --> FILE:3:10
  |
3 | source = \"persistant\"
  |          ^^^^^^^^^^^^
hint: the providers are explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost, robot",
    );
    refused(
        "[providers.a]\nkind = \"impersonate\"\nsource = \"b\"\n[providers.b]\nkind = \"impersonate\"\nsource = \"a\"",
        "
FILE:2: the provider `a` leads back to itself: a -> b -> a
hint: name a provider that finds a credential of its own",
    );
}

#[test]
fn names_of_profiles() {
    refused(
        "[profiles.credentials]",
        "
error: \"credentials\" cannot be the name of a profile
 --> FILE:1:11
  |
1 | [profiles.credentials]
  |           ^^^^^^^^^^^
hint: a profile's name begins with a letter or digit and goes on with letters, digits, `_`, `.` or `-`; it has 64 characters at the most, and `credentials` is taken",
    );
    refused(
        "[profiles.work]\nchain = [\"vault\"]",
        "
error: unknown provider `vault` in `chain`
 --> FILE:2:10
  |
2 | chain = [\"vault\"]
  |          ^^^^^^^
hint: the providers are explicit, environment, service_account, persistent, application_default, gcloud, metadata, notebook, localhost",
    );
}
