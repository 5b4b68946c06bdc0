//! The services of a host behind the C interface.
#![allow(unsafe_code, reason = "the C interface is spoken here; each block says why it may do what it does")]

use std::ffi::{CStr, c_void};

use crate::Failure;
use crate::abi::{self, BAD_ARGUMENT, FAILED, OK, Sink, Status, Str};
use crate::export::{borrowed, is_whole};
use crate::guard::guarded;
use crate::host::{Body, HttpRequest, HttpResponse, Level, Prompt, Services, StoreOp, no_service};

/// The host of one call.
pub(crate) struct AbiServices {
    host: *const abi::Host,
    call: u64,
}

// SAFETY: the header lets the functions of a host be called from any thread, and nothing here changes.
unsafe impl Send for AbiServices {}
// SAFETY: as above.
unsafe impl Sync for AbiServices {}

impl AbiServices {
    /// The host for the call of that number; 0 for `create`.
    ///
    /// # Safety
    /// `host` is at least as large as its type, and good for as long as this is used.
    pub(crate) unsafe fn new(host: *const abi::Host, call: u64) -> Self {
        Self { host, call }
    }

    fn host(&self) -> &abi::Host {
        // SAFETY: as `new` was promised.
        unsafe { &*self.host }
    }

    /// The table of an extension, where the host has it and it is as large as its version asks.
    fn extension<T>(&self, id: &CStr) -> Result<&T, Failure> {
        let host = self.host();
        // SAFETY: a function of the host with the context that belongs to it, and a name that ends with NUL.
        let table = host.extension.map(|extension| unsafe { extension(host.ctx, id.as_ptr()) });
        let table = table.unwrap_or(std::ptr::null()).cast::<T>();
        // SAFETY: under this name the host has null or this table, which begins with its size.
        if unsafe { !is_whole(table) } {
            return Err(no_service(&id.to_string_lossy()));
        }
        // SAFETY: it is whole, and outlives the instance.
        Ok(unsafe { &*table })
    }

    fn ask_for_text(&self, ask: impl FnOnce(*mut c_void, &Sink) -> Status) -> (Status, Option<String>) {
        let mut text: Option<String> = None;
        let sink = Sink { size: abi::size_of::<Sink>(), ctx: (&raw mut text).cast(), write: Some(keep_text) };
        let status = ask(self.host().ctx, &sink);
        (status, text)
    }
}

/// `write` of a sink whose context is an `Option<String>`.
unsafe extern "C" fn keep_text(ctx: *mut c_void, message: Str) -> Status {
    // SAFETY: the host lends the text for the length of this call.
    let Some(text) = (unsafe { borrowed(message) }) else { return BAD_ARGUMENT };
    // SAFETY: `ask_for_text` made the context and waits for this call to be over.
    unsafe { *ctx.cast::<Option<String>>() = Some(text.to_owned()) };
    OK
}

/// `receive` of [`abi::HostHttp::send`], with an `Option<Result<…>>` as its context.
unsafe extern "C" fn receive(ctx: *mut c_void, response: *const abi::HttpResponse) {
    // SAFETY: null or a structure that begins with its size.
    if unsafe { !is_whole(response) } {
        return;
    }
    // SAFETY: it is whole, and good until this function returns.
    let response = unsafe { &*response };
    // SAFETY: so are its texts.
    let text = |text| unsafe { borrowed(text) };
    let received = guarded(|| match (text(response.body), u16::try_from(response.status)) {
        (Some(body), Ok(status)) if status != 0 => Ok(HttpResponse {
            status,
            content_type: text(response.content_type).unwrap_or_default().to_owned(),
            body: body.to_owned(),
        }),
        (None, _) => Err(Failure::unavailable("the answer to a request is not UTF-8 text")),
        _ => Err(Failure::unavailable(text(response.error).unwrap_or("no answer came").to_owned())),
    });
    // SAFETY: `http` made the context and waits for this call to be over.
    unsafe { *ctx.cast::<Option<Result<HttpResponse, Failure>>>() = received.ok() };
}

impl Services for AbiServices {
    fn log(&self, level: Level, message: &str) {
        let host = self.host();
        if let Some(log) = host.log {
            // SAFETY: a function of the host with the context that belongs to it.
            unsafe { log(host.ctx, level.number(), Str::new(message)) };
        }
    }

    fn is_cancelled(&self) -> bool {
        let host = self.host();
        // SAFETY: a function of the host with the context that belongs to it.
        host.cancelled.is_some_and(|cancelled| unsafe { cancelled(host.ctx, self.call) } != 0)
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        let table = self.extension::<abi::HostHttp>(abi::HTTP)?;
        let send = table.send.ok_or_else(|| no_service("http/1"))?;
        let pairs = |texts: &[(String, String)]| -> Vec<_> {
            texts
                .iter()
                .map(|(name, value)| abi::Pair { name: Str::new(name), value: Str::new(value) })
                .collect()
        };
        let headers = pairs(&request.headers);
        let (json, form) = match &request.body {
            Body::None => ("", None),
            Body::Json(json) => (json.as_str(), None),
            Body::Form(fields) => ("", Some(pairs(fields))),
        };
        let asked = abi::HttpRequest {
            size: abi::size_of::<abi::HttpRequest>(),
            method: Str::new(request.method),
            url: Str::new(&request.url),
            headers: headers.as_ptr(),
            headers_n: headers.len(),
            json: Str::new(json),
            form: form.as_ref().map_or(std::ptr::null(), |form| form.as_ptr()),
            form_n: form.as_ref().map_or(0, Vec::len),
        };
        let mut received: Option<Result<HttpResponse, Failure>> = None;
        // SAFETY: a function of the host with the context that belongs to it; the request and the place for the response
        // live until it has returned.
        let status = unsafe {
            send(self.host().ctx, self.call, &raw const asked, (&raw mut received).cast(), Some(receive))
        };
        match (status, received) {
            (BAD_ARGUMENT, _) => Err(Failure::invalid(format!("the host cannot send {request:?}"))),
            (_, Some(received)) => received,
            _ => Err(Failure::unavailable("no answer came")),
        }
    }

    fn prompt(&self, prompt: Prompt<'_>) -> Result<Option<String>, Failure> {
        let table = self.extension::<abi::HostPrompt>(abi::PROMPT)?;
        let nobody = || Failure::interaction_required("a person would have to be asked, and none may be");
        let missing = || no_service("prompt/1");
        let (ctx, call) = (self.host().ctx, self.call);
        let (status, text) = match prompt {
            // SAFETY: here and below: a function of the host with the context that belongs to it; the texts and the sink
            // live until it has returned.
            Prompt::Show { message } => unsafe {
                (table.show.ok_or_else(missing)?(ctx, call, Str::new(message)), None)
            },
            Prompt::Open { message, url, code } => {
                let open = table.open.ok_or_else(missing)?;
                // SAFETY: as above.
                (unsafe { open(ctx, call, Str::new(message), Str::new(url), Str::new(code)) }, None)
            }
            Prompt::Text { question } => {
                let text = table.text.ok_or_else(missing)?;
                // SAFETY: as above.
                self.ask_for_text(|ctx, sink| unsafe { text(ctx, call, Str::new(question), sink) })
            }
            Prompt::Secret { question } => {
                let secret = table.secret.ok_or_else(missing)?;
                // SAFETY: as above.
                self.ask_for_text(|ctx, sink| unsafe { secret(ctx, call, Str::new(question), sink) })
            }
        };
        match status {
            OK => Ok(text),
            FAILED => Err(nobody()),
            _ => Err(Failure::invalid("the host cannot show what the plugin wants to be shown")),
        }
    }

    fn store(&self, op: StoreOp<'_>) -> Result<Option<String>, Failure> {
        let table = self.extension::<abi::HostStore>(abi::STORE)?;
        let missing = || no_service("store/1");
        let (ctx, call) = (self.host().ctx, self.call);
        let (status, text) = match op {
            StoreOp::Get { key } => {
                let get = table.get.ok_or_else(missing)?;
                // SAFETY: a function of the host with the context that belongs to it; text and sink live until it has
                // returned.
                self.ask_for_text(|ctx, sink| unsafe { get(ctx, call, Str::new(key), sink) })
            }
            StoreOp::Set { key, value } => {
                let set = table.set.ok_or_else(missing)?;
                // SAFETY: as above.
                (unsafe { set(ctx, call, Str::new(key), Str::new(value)) }, None)
            }
            StoreOp::Delete { key } => {
                let erase = table.erase.ok_or_else(missing)?;
                // SAFETY: as above.
                (unsafe { erase(ctx, call, Str::new(key)) }, None)
            }
        };
        match status {
            OK => Ok(text),
            BAD_ARGUMENT => Err(Failure::invalid("the host's store takes no such key or value")),
            _ => Err(Failure::unavailable("the host's store cannot be had")),
        }
    }
}
