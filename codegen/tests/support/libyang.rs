//! libyang's opinion of a document. All use of its C interface for data is here.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use agentconf_codegen::load::Loaded;
use yang5::ffi;

unsafe extern "C" {
    /// The C library's: what libyang prints is given back with it.
    fn free(pointer: *mut c_void);
}

/// Encoding of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 7951.
    Json,
    /// RFC 7950.
    Xml,
}

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `error-app-tag`.
    pub app_tag: Option<String>,
    /// The instance it is about.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// What is made of a valid document, printed without what is there by default.
#[derive(Debug)]
pub struct Printed {
    /// As JSON.
    pub json: String,
    /// As XML: one element after the other.
    pub xml: String,
    /// In the modes `report-all` and `report-all-tagged` (RFC 6243 sections 3.1 and 3.4) as JSON.
    pub reported: [String; 2],
    /// In the mode `trim` (section 3.2) as XML: in JSON, libyang leaves the comma of what it leaves out.
    pub trimmed: String,
}

/// Parses and validates a configuration datastore.
pub fn check(loaded: &Loaded, document: &str, format: Format) -> Result<Printed, Vec<Complaint>> {
    let text = CString::new(document).unwrap();
    let mut tree = ptr::null_mut();
    // SAFETY: the context is alive as long as `loaded`, and the text is NUL-terminated. libyang
    // reports into its context, which nothing else changes meanwhile: a test has its own.
    let code = unsafe {
        ffi::ly_err_clean(loaded.raw().cast_mut(), ptr::null_mut());
        ffi::lyd_parse_data_mem(
            loaded.raw(),
            text.as_ptr(),
            match format {
                Format::Json => ffi::LYD_FORMAT::LYD_JSON,
                Format::Xml => ffi::LYD_FORMAT::LYD_XML,
            },
            ffi::LYD_PARSE_STRICT | ffi::LYD_PARSE_NO_STATE,
            ffi::LYD_VALIDATE_NO_STATE,
            &raw mut tree,
        )
    };
    let outcome = match code {
        ffi::LY_ERR::LY_SUCCESS => Ok(Printed {
            json: print(tree, ffi::LYD_FORMAT::LYD_JSON, ffi::LYD_PRINT_WD_EXPLICIT),
            xml: print(tree, ffi::LYD_FORMAT::LYD_XML, ffi::LYD_PRINT_WD_EXPLICIT),
            // The mode that also tags what is set to the default is for another basic mode.
            reported: [ffi::LYD_PRINT_WD_ALL, ffi::LYD_PRINT_WD_IMPL_TAG]
                .map(|mode| print(tree, ffi::LYD_FORMAT::LYD_JSON, mode)),
            trimmed: print(tree, ffi::LYD_FORMAT::LYD_XML, ffi::LYD_PRINT_WD_TRIM),
        }),
        _ => Err(complaints(loaded)),
    };
    // SAFETY: the tree is null or was made above and is freed once.
    unsafe { ffi::lyd_free_all(tree) };
    outcome
}

/// What a document is that is no configuration datastore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// The input of an rpc or action.
    Input,
    /// Its output.
    Output,
    /// A notification.
    Notification,
    /// Configuration and state.
    State,
}

/// A message as libyang prints it.
#[derive(Debug)]
pub struct Encoded {
    /// RFC 7951.
    pub json: String,
    /// RFC 7950.
    pub xml: String,
}

/// What libyang says of a message.
#[derive(Debug)]
pub enum Opinion {
    /// It cannot be read.
    Unread(Vec<Complaint>),
    /// It can be read, but is not valid.
    Invalid(Vec<Complaint>),
    /// It is valid; this is the operation or notification alone.
    Valid(Encoded),
}

/// Parses a message, with its ancestors around it, and validates it beside a valid datastore, which
/// is JSON.
pub fn message(
    loaded: &Loaded,
    datastore: &str,
    document: &str,
    format: Format,
    message: Message,
) -> Opinion {
    let (datastore, text) = (CString::new(datastore).unwrap(), CString::new(document).unwrap());
    let format = match format {
        Format::Json => ffi::LYD_FORMAT::LYD_JSON,
        Format::Xml => ffi::LYD_FORMAT::LYD_XML,
    };
    let kind = match message {
        Message::Input => ffi::lyd_type::LYD_TYPE_RPC_YANG,
        Message::Output => ffi::lyd_type::LYD_TYPE_REPLY_YANG,
        Message::Notification => ffi::lyd_type::LYD_TYPE_NOTIF_YANG,
        Message::State => ffi::lyd_type::LYD_TYPE_DATA_YANG,
    };
    let (mut around, mut tree, mut operation) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let mut input = ptr::null_mut();
    // SAFETY: as in `check`. The handle of the input is freed before its text; both trees are null or
    // were made here and are freed once; the operation is a part of its tree.
    unsafe {
        let context = loaded.raw();
        let (strict, checked) = (ffi::LYD_PARSE_STRICT | ffi::LYD_PARSE_NO_STATE, ffi::LYD_VALIDATE_NO_STATE);
        let json = ffi::LYD_FORMAT::LYD_JSON;
        ffi::lyd_parse_data_mem(context, datastore.as_ptr(), json, strict, checked, &raw mut around);
        ffi::ly_err_clean(context.cast_mut(), ptr::null_mut());
        let strict = ffi::LYD_PARSE_STRICT;
        let parsed = if message == Message::State {
            let unchecked = strict | ffi::LYD_PARSE_ONLY;
            ffi::lyd_parse_data_mem(context, text.as_ptr(), format, unchecked, 0, &raw mut tree)
        } else {
            ffi::ly_in_new_memory(text.as_ptr(), &raw mut input);
            let (none, tree, operation) = (ptr::null_mut(), &raw mut tree, &raw mut operation);
            let parsed = ffi::lyd_parse_op(context, none, input, format, kind, strict, tree, operation);
            ffi::ly_in_free(input, 0);
            parsed
        };
        let opinion = if parsed != ffi::LY_ERR::LY_SUCCESS {
            Opinion::Unread(complaints(loaded))
        } else {
            // Before defaults are put in: of operations they would be printed.
            let printed = match message {
                Message::State => Encoded {
                    json: print(tree, ffi::LYD_FORMAT::LYD_JSON, 0),
                    xml: print(tree, ffi::LYD_FORMAT::LYD_XML, 0),
                },
                _ => Encoded {
                    json: print_one(operation, ffi::LYD_FORMAT::LYD_JSON),
                    xml: print_one(operation, ffi::LYD_FORMAT::LYD_XML),
                },
            };
            let valid = if message == Message::State {
                let operational = ffi::LYD_VALIDATE_OPERATIONAL;
                ffi::lyd_validate_all(&raw mut tree, context, operational, ptr::null_mut())
            } else {
                ffi::lyd_validate_op(tree, around, kind, ptr::null_mut())
            };
            match valid {
                ffi::LY_ERR::LY_SUCCESS => Opinion::Valid(printed),
                _ => Opinion::Invalid(complaints(loaded)),
            }
        };
        ffi::lyd_free_all(tree);
        ffi::lyd_free_all(around);
        opinion
    }
}

fn print(tree: *const ffi::lyd_node, format: ffi::LYD_FORMAT::Type, mode: u32) -> String {
    printed(tree, format, ffi::LYD_PRINT_SIBLINGS | mode)
}

fn print_one(node: *const ffi::lyd_node, format: ffi::LYD_FORMAT::Type) -> String {
    printed(node, format, 0)
}

fn printed(tree: *const ffi::lyd_node, format: ffi::LYD_FORMAT::Type, options: u32) -> String {
    let mut text: *mut c_char = ptr::null_mut();
    // SAFETY: the tree is alive; libyang writes a NUL-terminated text or leaves null, which is
    // given back once.
    unsafe {
        ffi::lyd_print_mem(&raw mut text, tree, format, options | ffi::LYD_PRINT_SHRINK);
        if text.is_null() {
            return String::new();
        }
        let printed = CStr::from_ptr(text).to_string_lossy().into_owned();
        free(text.cast());
        printed
    }
}

fn complaints(loaded: &Loaded) -> Vec<Complaint> {
    let mut found = Vec::new();
    // SAFETY: the context is alive and its list of errors stays until the next call into it;
    // texts are NUL-terminated or null.
    unsafe {
        let text = |pointer: *const c_char| {
            (!pointer.is_null()).then(|| CStr::from_ptr(pointer).to_string_lossy().into_owned())
        };
        let mut item = ffi::ly_err_first(loaded.raw()).as_ref();
        while let Some(error) = item {
            if error.level == ffi::LY_LOG_LEVEL::LY_LLERR {
                found.push(Complaint {
                    app_tag: text(error.apptag),
                    path: text(error.data_path),
                    message: text(error.msg).unwrap_or_default(),
                });
            }
            item = error.next.as_ref();
        }
    }
    found
}
