//! A libyang context: texts go in, compiled modules and complaints come out. It never decides
//! what is loaded, and never looks into a schema tree.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::rc::Rc;

use yang5::ffi;

use crate::error::{Error, Result};
use crate::source::Sources;

/// A libyang context; its schemas live as long as it does.
#[derive(Debug)]
pub struct Context {
    raw: *mut ffi::ly_ctx,
    /// What libyang reads from; not before the context is destroyed may it go.
    _sources: Rc<Sources>,
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `ly_ctx_new` and is destroyed once, here; what borrows
        // from the context cannot outlive `self`.
        unsafe { ffi::ly_ctx_destroy(self.raw) }
    }
}

/// A module of a context.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its newest revision, or empty.
    pub revision: String,
    /// Whether it is implemented.
    pub implemented: bool,
    /// It lives as long as the context.
    pub raw: *const ffi::lys_module,
}

/// What libyang complains of.
#[derive(Debug)]
pub struct Complaint {
    /// What is wrong.
    pub message: String,
    /// The schema path, or empty.
    pub path: String,
    /// The line, counted from 1; 0 if unknown.
    pub line: u64,
}

/// A feature of a module.
#[derive(Debug)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Whether it is supported.
    pub enabled: bool,
    /// Whether it has conditions.
    pub conditional: bool,
    /// Whether its conditions hold.
    pub possible: bool,
}

impl Context {
    /// A context that takes all texts from the sources.
    ///
    /// # Errors
    /// libyang cannot make one.
    pub fn new(sources: Rc<Sources>) -> Result<Self> {
        let options = ffi::LY_CTX_DISABLE_SEARCHDIRS
            | ffi::LY_CTX_NO_YANGLIBRARY
            | ffi::LY_CTX_EXPLICIT_COMPILE
            | ffi::LY_CTX_BUILTIN_PLUGINS_ONLY
            // A default can be an identity, and a condition can read nodes, of a module that is
            // only imported; then a server has to implement it.
            | ffi::LY_CTX_REF_IMPLEMENTED;
        let mut raw = ptr::null_mut();
        // SAFETY: no folder is given; `raw` is written only on success. Storing messages instead
        // of printing them is a process-wide choice that nobody else here makes differently.
        let outcome = unsafe {
            ffi::ly_log_options(ffi::LY_LOSTORE);
            ffi::ly_ctx_new(ptr::null(), options, &raw mut raw)
        };
        if outcome != ffi::LY_ERR::LY_SUCCESS {
            return Err(Error::Libyang(format!("no context (error {outcome})")));
        }
        // SAFETY: the context is alive; the sources stay where they are as long as it does, and
        // libyang only hands the pointer to `supply`, which reads.
        unsafe { ffi::ly_ctx_set_module_imp_clb(raw, Some(supply), Rc::as_ptr(&sources).cast_mut().cast()) };
        Ok(Context { raw, _sources: sources })
    }

    /// The context, for reading.
    pub fn raw(&self) -> *const ffi::ly_ctx {
        self.raw
    }

    /// All modules, those that libyang has in itself first.
    pub fn modules(&self) -> impl Iterator<Item = Module> {
        let mut index = 0;
        std::iter::from_fn(move || {
            // SAFETY: the context is alive; the module it returns lives as long as it does.
            let raw = unsafe { ffi::ly_ctx_get_module_iter(self.raw, &raw mut index).as_ref() }?;
            // SAFETY: name and revision of a module are NUL-terminated; revision may be null.
            let (name, revision) = unsafe { (text(raw.name), text(raw.revision)) };
            Some(Module { name, revision, implemented: raw.implemented != 0, raw })
        })
    }

    /// Implements a module with these features, or changes the features of an implemented one;
    /// whether libyang accepts it.
    ///
    /// # Errors
    /// A name has a NUL character.
    pub fn implement(&self, name: &str, revision: &str, features: &[String]) -> Result<bool> {
        let features = features.iter().map(|f| c_string(f)).collect::<Result<Vec<_>>>()?;
        let mut features: Vec<*const c_char> = features.iter().map(|f| f.as_ptr()).collect();
        features.push(ptr::null());
        let (name, c_revision) = (c_string(name)?, c_string(revision)?);
        let revision = if revision.is_empty() { ptr::null() } else { c_revision.as_ptr() };
        // SAFETY: all pointers are to NUL-terminated strings that outlive the call, and the
        // array of features ends with a null pointer.
        let module =
            unsafe { ffi::ly_ctx_load_module(self.raw, name.as_ptr(), revision, features.as_mut_ptr()) };
        Ok(!module.is_null())
    }

    /// Compiles what is implemented; whether libyang accepts it.
    pub fn compile(&self) -> bool {
        // SAFETY: the context is alive.
        unsafe { ffi::ly_ctx_compile(self.raw) == ffi::LY_ERR::LY_SUCCESS }
    }

    /// The features of a module and its submodules.
    pub fn features(&self, module: &Module) -> Vec<Feature> {
        let (mut found, mut index, mut last) = (Vec::new(), 0, ptr::null());
        loop {
            // SAFETY: the module lives as long as the context and libyang keeps its parsed form,
            // to which the features belong.
            let Some(feature) =
                (unsafe { ffi::lysp_feature_next(last, (*module.raw).parsed, &raw mut index).as_ref() })
            else {
                return found;
            };
            // SAFETY: the conditions are a sized array; the name is NUL-terminated.
            let (conditions, name) = unsafe { (sized(feature.iffeatures_c), text(feature.name)) };
            let holds = |condition: &ffi::lysc_iffeature| {
                // SAFETY: the condition belongs to the feature.
                unsafe { ffi::lysc_iffeature_value(condition) == ffi::LY_ERR::LY_SUCCESS }
            };
            found.push(Feature {
                name,
                enabled: u32::from(feature.flags) & ffi::LYS_FENABLED != 0,
                conditional: !conditions.is_empty(),
                possible: conditions.iter().all(holds),
            });
            last = feature;
        }
    }

    /// The text of a module as libyang writes it.
    pub fn print(&self, module: &Module) -> Option<String> {
        let mut printed: Vec<u8> = Vec::new();
        let mut out = ptr::null_mut();
        // SAFETY: the module lives as long as the context; `append` gets `printed`, which
        // outlives the output, and the output is freed once.
        let outcome = unsafe {
            if ffi::ly_out_new_clb(Some(append), (&raw mut printed).cast(), &raw mut out)
                != ffi::LY_ERR::LY_SUCCESS
            {
                return None;
            }
            let outcome = ffi::lys_print_module(out, module.raw, ffi::LYS_OUTFORMAT::LYS_OUT_YANG, 0, 0);
            ffi::ly_out_free(out, None, 0);
            outcome
        };
        String::from_utf8(printed).ok().filter(|_| outcome == ffi::LY_ERR::LY_SUCCESS)
    }

    /// What libyang has refused.
    pub fn complaints(&self) -> Vec<Complaint> {
        self.said(ffi::LY_LOG_LEVEL::LY_LLERR)
    }

    /// What libyang has accepted and wonders about.
    pub fn doubts(&self) -> Vec<Complaint> {
        self.said(ffi::LY_LOG_LEVEL::LY_LLWRN)
    }

    fn said(&self, level: ffi::LY_LOG_LEVEL::Type) -> Vec<Complaint> {
        let mut found = Vec::new();
        // SAFETY: the context is alive; the list of errors stays until the next call into it.
        let mut item = unsafe { ffi::ly_err_first(self.raw).as_ref() };
        while let Some(error) = item {
            if error.level == level {
                // SAFETY: messages and paths are NUL-terminated or null.
                let (message, path) = unsafe { (text(error.msg), text(error.schema_path)) };
                found.push(Complaint { message, path, line: error.line });
            }
            // SAFETY: as above.
            item = unsafe { error.next.as_ref() };
        }
        found
    }
}

/// The text of a C string that libyang owns; empty for null.
///
/// # Safety
/// `pointer` is null or points to a NUL-terminated string.
pub unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller promises it.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A sized array of libyang as a slice. Its length stands in front of it.
///
/// # Safety
/// `array` is null or a sized array that lives for `'a`.
pub unsafe fn sized<'a, T>(array: *const T) -> &'a [T] {
    if array.is_null() {
        return &[];
    }
    // SAFETY: libyang puts the number of items as a u64 right before the first item.
    unsafe { std::slice::from_raw_parts(array, array.cast::<u64>().sub(1).read_unaligned() as usize) }
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::Libyang(format!("a NUL character in {text:?}")))
}

/// Takes what libyang prints.
///
/// # Safety
/// `printed` is a `Vec<u8>`, and `count` bytes can be read from `bytes`.
unsafe extern "C" fn append(printed: *mut c_void, bytes: *const c_void, count: usize) -> isize {
    // SAFETY: the caller promises it.
    let (printed, bytes) =
        unsafe { (&mut *printed.cast::<Vec<u8>>(), std::slice::from_raw_parts(bytes.cast::<u8>(), count)) };
    printed.extend_from_slice(bytes);
    count.cast_signed()
}

/// Gives libyang the text of a module or submodule.
///
/// # Safety
/// `sources` is a `Sources`; names and revisions are NUL-terminated or null; the two outputs can
/// be written to.
unsafe extern "C" fn supply(
    module: *const c_char,
    revision: *const c_char,
    submodule: *const c_char,
    submodule_revision: *const c_char,
    sources: *mut c_void,
    format: *mut ffi::LYS_INFORMAT::Type,
    data: *mut *const c_char,
    _free: *mut ffi::ly_module_imp_data_free_clb,
) -> ffi::LY_ERR::Type {
    let is_submodule = !submodule.is_null();
    let (name, revision) = if is_submodule { (submodule, submodule_revision) } else { (module, revision) };
    // SAFETY: the caller promises it.
    let (sources, name, revision) =
        unsafe { (&*sources.cast::<Sources>().cast_const(), text(name), text(revision)) };
    match sources.find(&name, Some(revision.as_str()).filter(|r| !r.is_empty()), is_submodule) {
        Some(source) => {
            // SAFETY: the caller promises it; the text lives as long as the sources.
            unsafe {
                *format = ffi::LYS_INFORMAT::LYS_IN_YANG;
                *data = source.for_libyang().as_ptr();
            }
            ffi::LY_ERR::LY_SUCCESS
        }
        None => ffi::LY_ERR::LY_ENOTFOUND,
    }
}
