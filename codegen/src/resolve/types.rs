//! Types as libyang compiled them. Which typedef a type came from is found by identity: libyang
//! shares the compiled type of a typedef among the leafs that use it unchanged.

use yang5::ffi::{self, LY_DATA_TYPE as T};

use super::{LyNode, Resolver, parsed_parts, some_text};
use crate::context::{sized, text};
use crate::ir::{Base, EnumValue, ModuleId, NodeId, Pattern, Range};
use crate::link::{RawBase, RawLeafRef, RawType};
use crate::pattern::translate;
use crate::posix;
use crate::source::pattern_as_written;

/// A typedef and the compiled type that libyang made of it.
pub struct Typedef {
    name: String,
    module: ModuleId,
    description: String,
    compiled: *const ffi::lysc_type,
}

impl Resolver<'_> {
    /// Collects all typedefs, those in groupings and data nodes too.
    pub(super) fn read_typedefs(&mut self) {
        for index in 0..self.modules.len() {
            for part in parsed_parts(self.modules[index]) {
                // SAFETY: the parsed module lives as long as the context.
                let part = unsafe { &*part };
                self.note_typedefs(part.typedefs, ModuleId(index));
                let lists: [*const ffi::lysp_node; 4] =
                    [part.groupings.cast(), part.data, part.rpcs.cast(), part.notifs.cast()];
                for first in lists.into_iter().chain([part.augments.cast_const().cast()]) {
                    self.nested_typedefs(first, ModuleId(index));
                }
            }
        }
    }

    fn nested_typedefs(&mut self, first: *const ffi::lysp_node, module: ModuleId) {
        let mut at = first;
        // SAFETY: the parsed node is null or lives as long as the context.
        while let Some(node) = unsafe { at.as_ref() } {
            // SAFETY: libyang picks the list by the kind of node.
            let (typedefs, lists) = unsafe {
                let lists: [*const ffi::lysp_node; 4] = [
                    ffi::lysp_node_groupings(at).cast(),
                    ffi::lysp_node_child(at),
                    ffi::lysp_node_actions(at).cast(),
                    ffi::lysp_node_notifs(at).cast(),
                ];
                (ffi::lysp_node_typedefs(at), lists)
            };
            self.note_typedefs(typedefs, module);
            for list in lists {
                self.nested_typedefs(list, module);
            }
            at = node.next;
        }
    }

    fn note_typedefs(&mut self, typedefs: *const ffi::lysp_tpdf, module: ModuleId) {
        // SAFETY: a sized array of a parsed statement, which lives as long as the context.
        for typedef in unsafe { sized(typedefs) } {
            let compiled = typedef.type_.compiled.cast_const();
            if !compiled.is_null() {
                // SAFETY: the texts are NUL-terminated; the description may be null.
                let (name, description) = unsafe { (text(typedef.name), text(typedef.dsc)) };
                self.typedefs.push(Typedef { name, module, description, compiled });
            }
        }
    }

    /// Reads a type that the leaf or leaf-list `id` has.
    pub(super) fn read_type(&mut self, ty: *const ffi::lysc_type, node: LyNode, id: NodeId) -> RawType {
        // SAFETY: the type lives as long as the context; its name is NUL-terminated or null.
        let (read, name) = unsafe { (&*ty, some_text((*ty).name)) };
        let typedef = name.as_deref().and_then(|name| self.typedef_of(ty, name, id));
        let base = self.read_base(ty, node, id);
        let name = name.unwrap_or_else(|| builtin(read.basetype).to_owned());
        RawType { name, typedef, base }
    }

    /// The module of the typedef that the type is, if it is used unchanged, and its description.
    fn typedef_of(&self, ty: *const ffi::lysc_type, name: &str, id: NodeId) -> Option<(ModuleId, String)> {
        let named = || self.typedefs.iter().filter(|t| t.name == name);
        let of = |t: &Typedef| (t.module, t.description.clone());
        if let Some(same) = named().find(|t| t.compiled == ty) {
            return Some(of(same));
        }
        let own = self.schema.node(id).module;
        // libyang compiles leafrefs, and unions of them, anew for each leaf.
        let alike = named().filter(|t| is_copy(ty, t.compiled));
        alike.min_by_key(|t| (t.module != own, t.module)).map(of)
    }

    fn read_base(&mut self, ty: *const ffi::lysc_type, node: LyNode, id: NodeId) -> RawBase {
        // SAFETY: the type lives as long as the context. For each cast below: libyang's types
        // begin with `lysc_type`, and `basetype` says which of them it is; texts are
        // NUL-terminated or null.
        let basetype = unsafe { (*ty).basetype };
        let plain = match basetype {
            T::LY_TYPE_INT8 | T::LY_TYPE_INT16 | T::LY_TYPE_INT32 | T::LY_TYPE_INT64 => {
                let bits = width(basetype);
                // SAFETY: see above.
                let range = unsafe { (*ty.cast::<ffi::lysc_type_num>()).range };
                let limits = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
                Base::Int(bits, signed_range(range, limits, i64::to_string))
            }
            T::LY_TYPE_UINT8 | T::LY_TYPE_UINT16 | T::LY_TYPE_UINT32 | T::LY_TYPE_UINT64 => {
                let bits = width(basetype);
                // SAFETY: see above.
                let range = unsafe { (*ty.cast::<ffi::lysc_type_num>()).range };
                Base::Uint(bits, unsigned_range(range, u64::MAX >> (64 - bits)))
            }
            T::LY_TYPE_DEC64 => {
                // SAFETY: see above.
                let decimal = unsafe { &*ty.cast::<ffi::lysc_type_dec>() };
                let digits = decimal.fraction_digits;
                let show = |n: &i64| decimal64(*n, digits);
                Base::Decimal64(digits, signed_range(decimal.range, (i64::MIN, i64::MAX), show))
            }
            T::LY_TYPE_STRING => {
                // SAFETY: see above.
                let string = unsafe { &*ty.cast::<ffi::lysc_type_str>() };
                Base::String(unsigned_range(string.length, u64::MAX), self.read_patterns(string.patterns, id))
            }
            T::LY_TYPE_BOOL => Base::Boolean,
            T::LY_TYPE_ENUM => {
                // SAFETY: see above; `enums` is a sized array.
                let items = unsafe { sized((*ty.cast::<ffi::lysc_type_enum>()).enums) };
                // SAFETY: the items of an enumeration have a value, those of bits a position.
                let value = |item: &ffi::lysc_type_bitenum_item| unsafe {
                    EnumValue {
                        name: text(item.name),
                        value: item.__bindgen_anon_1.value,
                        description: text(item.dsc),
                    }
                };
                Base::Enumeration(items.iter().map(value).collect())
            }
            T::LY_TYPE_BITS => {
                // SAFETY: see above; `bits` is a sized array.
                let items = unsafe { sized((*ty.cast::<ffi::lysc_type_bits>()).bits) };
                // SAFETY: as for an enumeration.
                let bit = |item: &ffi::lysc_type_bitenum_item| unsafe {
                    (text(item.name), item.__bindgen_anon_1.position)
                };
                Base::Bits(items.iter().map(bit).collect())
            }
            T::LY_TYPE_BINARY => {
                // SAFETY: see above.
                Base::Binary(unsigned_range(unsafe { (*ty.cast::<ffi::lysc_type_bin>()).length }, u64::MAX))
            }
            T::LY_TYPE_IDENT => {
                // SAFETY: see above; `bases` is a sized array of pointers.
                let bases = unsafe { sized((*ty.cast::<ffi::lysc_type_identityref>()).bases) };
                Base::IdentityRef(
                    bases.iter().filter_map(|b| self.identities.get(&b.cast_const()).copied()).collect(),
                )
            }
            T::LY_TYPE_INST => {
                // SAFETY: see above.
                Base::InstanceIdentifier(
                    unsafe { (*ty.cast::<ffi::lysc_type_instanceid>()).require_instance } != 0,
                )
            }
            T::LY_TYPE_LEAFREF => return self.read_leafref(ty.cast(), id),
            T::LY_TYPE_UNION => {
                // SAFETY: see above; `types` is a sized array of pointers.
                let members = unsafe { sized((*ty.cast::<ffi::lysc_type_union>()).types) };
                return RawBase::Union(members.iter().map(|m| self.read_type(*m, node, id)).collect());
            }
            _ => Base::Empty,
        };
        RawBase::Plain(plain)
    }

    fn read_leafref(&mut self, ty: *const ffi::lysc_type_leafref, id: NodeId) -> RawBase {
        // SAFETY: the type and its path live as long as the context.
        let (leafref, path) = unsafe { (&*ty, text(ffi::lyxp_get_expr((*ty).path))) };
        let own = self.schema.module(self.schema.node(id).module).name.clone();
        // SAFETY: `prefixes` is a sized array; the one without prefix is libyang's idea of the
        // module of unprefixed names.
        let other = unsafe { sized(leafref.prefixes) }
            .iter()
            .find(|p| p.prefix.is_null() && !p.mod_.is_null())
            // SAFETY: as above.
            .map(|p| unsafe { text((*p.mod_).name) });
        let mut paths = Vec::new();
        for module in std::iter::once(own.clone()).chain(other.filter(|o| *o != own)) {
            paths.extend(self.expression_in("path", &path, leafref.prefixes, id, &module));
        }
        RawBase::LeafRef(RawLeafRef { paths, text: path, require_instance: leafref.require_instance != 0 })
    }

    fn read_patterns(&mut self, patterns: *mut *mut ffi::lysc_pattern, id: NodeId) -> Vec<Pattern> {
        let mut found = Vec::new();
        // SAFETY: a sized array of pointers to patterns that live as long as the context.
        for pattern in unsafe { sized(patterns) } {
            // SAFETY: as above; the texts are NUL-terminated or null.
            let (pattern, xsd) = unsafe { (&**pattern, pattern_as_written(&text((**pattern).expr))) };
            let posix = (pattern.format() != 0).then(|| posix::translate(&xsd)).flatten();
            let regex = posix
                .map_or_else(|| translate(&xsd).map_err(|e| e.to_string()), Ok)
                .and_then(|regex| regex::Regex::new(&regex).map(|_| regex).map_err(|e| e.to_string()));
            match regex {
                Ok(regex) => found.push(Pattern {
                    xsd,
                    regex,
                    invert: pattern.inverted() != 0,
                    // SAFETY: as above.
                    error_message: unsafe { some_text(pattern.emsg) },
                    // SAFETY: as above.
                    error_app_tag: unsafe { some_text(pattern.eapptag) },
                }),
                Err(error) => self.problem(id, format!("pattern \"{xsd}\": {error}"), &xsd),
            }
        }
        found
    }
}

/// Whether a type that contains a leafref is a typedef's type, compiled again for a leaf.
fn is_copy(ty: *const ffi::lysc_type, of: *const ffi::lysc_type) -> bool {
    // SAFETY: both types live as long as the context, and `basetype` says which kind each is.
    unsafe {
        match ((*ty).basetype, (*of).basetype) {
            (T::LY_TYPE_LEAFREF, T::LY_TYPE_LEAFREF) => {
                let (a, b) = (&*ty.cast::<ffi::lysc_type_leafref>(), &*of.cast::<ffi::lysc_type_leafref>());
                let texts = (text(ffi::lyxp_get_expr(a.path)), text(ffi::lyxp_get_expr(b.path)));
                texts.0 == texts.1 && a.require_instance == b.require_instance
            }
            (T::LY_TYPE_UNION, T::LY_TYPE_UNION) => {
                let (a, b) = (&*ty.cast::<ffi::lysc_type_union>(), &*of.cast::<ffi::lysc_type_union>());
                let (a, b) = (sized(a.types), sized(b.types));
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || is_copy(*a, *b))
            }
            _ => false,
        }
    }
}

fn width(basetype: T::Type) -> u8 {
    match basetype {
        T::LY_TYPE_INT8 | T::LY_TYPE_UINT8 => 8,
        T::LY_TYPE_INT16 | T::LY_TYPE_UINT16 => 16,
        T::LY_TYPE_INT32 | T::LY_TYPE_UINT32 => 32,
        _ => 64,
    }
}

fn builtin(basetype: T::Type) -> &'static str {
    match basetype {
        T::LY_TYPE_BINARY => "binary",
        T::LY_TYPE_UINT8 => "uint8",
        T::LY_TYPE_UINT16 => "uint16",
        T::LY_TYPE_UINT32 => "uint32",
        T::LY_TYPE_UINT64 => "uint64",
        T::LY_TYPE_STRING => "string",
        T::LY_TYPE_BITS => "bits",
        T::LY_TYPE_BOOL => "boolean",
        T::LY_TYPE_DEC64 => "decimal64",
        T::LY_TYPE_ENUM => "enumeration",
        T::LY_TYPE_IDENT => "identityref",
        T::LY_TYPE_INST => "instance-identifier",
        T::LY_TYPE_LEAFREF => "leafref",
        T::LY_TYPE_UNION => "union",
        T::LY_TYPE_INT8 => "int8",
        T::LY_TYPE_INT16 => "int16",
        T::LY_TYPE_INT32 => "int32",
        T::LY_TYPE_INT64 => "int64",
        _ => "empty",
    }
}

fn signed_range(
    range: *const ffi::lysc_range,
    limits: (i64, i64),
    show: impl Fn(&i64) -> String,
) -> Range<i64> {
    // SAFETY: the caller's type is signed, so its parts hold signed numbers.
    let part = |p: &ffi::lysc_range_lysc_range_part| unsafe {
        (p.__bindgen_anon_1.min_64, p.__bindgen_anon_2.max_64)
    };
    self::range(range, part, |n| match *n {
        n if n == limits.0 => "min".to_owned(),
        n if n == limits.1 => "max".to_owned(),
        n => show(&n),
    })
}

fn unsigned_range(range: *const ffi::lysc_range, max: u64) -> Range<u64> {
    // SAFETY: the caller's type is unsigned, so its parts hold unsigned numbers.
    let part = |p: &ffi::lysc_range_lysc_range_part| unsafe {
        (p.__bindgen_anon_1.min_u64, p.__bindgen_anon_2.max_u64)
    };
    self::range(range, part, |n| if *n == max { "max".to_owned() } else { n.to_string() })
}

fn range<N: PartialEq>(
    range: *const ffi::lysc_range,
    part: impl Fn(&ffi::lysc_range_lysc_range_part) -> (N, N),
    show: impl Fn(&N) -> String,
) -> Range<N> {
    // SAFETY: null, or a range that lives as long as the context.
    let Some(range) = (unsafe { range.as_ref() }) else {
        return Range { parts: Vec::new(), text: String::new(), error_message: None, error_app_tag: None };
    };
    // SAFETY: `parts` is a sized array.
    let parts: Vec<_> = unsafe { sized(range.parts) }.iter().map(part).collect();
    let texts = parts.iter().map(|(low, high)| match low == high {
        true => show(low),
        false => format!("{}..{}", show(low), show(high)),
    });
    let text = texts.collect::<Vec<_>>().join(" | ");
    // SAFETY: the texts are NUL-terminated or null.
    let (error_message, error_app_tag) = unsafe { (some_text(range.emsg), some_text(range.eapptag)) };
    Range { parts, text, error_message, error_app_tag }
}

/// The canonical text of a decimal64 given as its digits.
fn decimal64(digits: i64, fraction: u8) -> String {
    let scale = 10_u64.pow(u32::from(fraction));
    let magnitude = digits.unsigned_abs();
    let sign = if digits < 0 { "-" } else { "" };
    let rest = format!("{:0width$}", magnitude % scale, width = usize::from(fraction));
    let rest = rest.trim_end_matches('0');
    format!("{sign}{}.{}", magnitude / scale, if rest.is_empty() { "0" } else { rest })
}
