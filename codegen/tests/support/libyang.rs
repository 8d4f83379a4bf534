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

fn print(tree: *const ffi::lyd_node, format: ffi::LYD_FORMAT::Type, mode: u32) -> String {
    let mut text: *mut c_char = ptr::null_mut();
    // SAFETY: the tree is alive; libyang writes a NUL-terminated text or leaves null, which is
    // given back once.
    unsafe {
        let options = ffi::LYD_PRINT_SIBLINGS | ffi::LYD_PRINT_SHRINK | mode;
        ffi::lyd_print_mem(&raw mut text, tree, format, options);
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
