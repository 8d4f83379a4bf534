//! How data is shown: as tables, JSON, XML or paths. It never asks a server.

use std::borrow::Cow;
use std::io::{BufWriter, IsTerminal as _, Write};

use clap::ValueEnum;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::client::path::quoted;
use crate::client::schema::{Base, Kind, NodeId, Schema};
use crate::client::{Element, json, resolve};

/// Widest cell of a table on a terminal, in columns; longer ones are cut off there.
const CELL_MAX: usize = 40;

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each entry of a list, a column for each leaf; other data as paths.
    Table,
    /// JSON (RFC 7951).
    Json,
    /// XML (RFC 7950).
    Xml,
    /// A line for each value: its path, =, the value. `agentconf edit` takes such lines.
    Paths,
}

/// Writes to standard output, to a terminal only what is [`plain`]; false if nobody reads it any more, which is no failure.
pub fn put(text: &str) -> std::io::Result<bool> {
    let mut output = std::io::stdout().lock();
    let text = if output.is_terminal() { plain(text) } else { Cow::Borrowed(text) };
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where many lines go: standard output, to a terminal only what of them is [`plain`].
pub fn lines_out() -> Box<dyn Write> {
    let output = std::io::stdout().lock();
    match output.is_terminal() {
        true => Box::new(Plain { output, line: Vec::new() }),
        false => Box::new(BufWriter::new(output)),
    }
}

/// Writes whole lines, without what a terminal would obey.
struct Plain<W> {
    output: W,
    line: Vec<u8>,
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.output.write_all(plain(&String::from_utf8_lossy(&self.line)).as_bytes())?;
                self.line.clear();
            }
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// A text without what a terminal would obey, which data may have: controls, and what changes the direction of the writing.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.contains(is_obeyed) {
        true => Cow::Owned(text.replace(is_obeyed, " ")),
        false => Cow::Borrowed(text),
    }
}

/// Data in a form. `parent` is the node that it is inside of, such as the output of an operation; none for top nodes.
pub fn shown(schema: &Schema, parent: Option<NodeId>, data: &[Element], format: Format) -> String {
    match format {
        Format::Json => json::encode(schema, parent, data).pretty() + "\n",
        Format::Xml => xml(data),
        Format::Paths => paths(schema, parent, data),
        Format::Table => table(schema, parent, data).unwrap_or_else(|| paths(schema, parent, data)),
    }
}

/// XML that is one document: what is not one element is inside of `data`.
pub fn xml(data: &[Element]) -> String {
    match data {
        [] => String::new(),
        [one] => one.to_pretty_xml(),
        many => {
            let namespace = "urn:ietf:params:xml:ns:yang:ietf-restconf".into();
            Element::new("data", &namespace).with(many.iter().cloned()).to_pretty_xml()
        }
    }
}

/// A line for each value, and for each node that is there without one.
pub fn paths(schema: &Schema, parent: Option<NodeId>, data: &[Element]) -> String {
    let mut out = String::new();
    for element in data {
        let start = if parent.is_some() { "" } else { "/" };
        lines(schema, parent, data, element, start, None, &mut out);
    }
    out
}

/// `siblings` are the element and those beside it; `before` is the path above with its slash; `above` is the module whose names
/// need no prefix.
fn lines(
    schema: &Schema,
    parent: Option<NodeId>,
    siblings: &[Element],
    element: &Element,
    before: &str,
    above: Option<&str>,
    out: &mut String,
) {
    let module = schema.find_namespace(&element.namespace).map(|id| schema.module(id).name.as_str());
    let node = module.and_then(|module| resolve::find(schema, parent, module, &element.name));
    // In the input and output of an operation the names are the operation's.
    let own = parent.map(|parent| schema.module_name(parent));
    let is_same = module.is_none() || module == above || (above.is_none() && module == own);
    let mut path = match (module, is_same) {
        (Some(module), false) => format!("{before}{module}:{}", element.name),
        _ => format!("{before}{}", element.name),
    };
    let kind = node.map(|id| schema.node(id).kind);
    let value = node.map_or_else(|| element.text.clone(), |id| text(schema, id, element));
    if kind == Some(Kind::LeafList) {
        path.push_str(&format!("[.={}]", quoted(&value)));
        out.push_str(&format!("{path}\n"));
        return;
    }
    let has_none = matches!(kind, None | Some(Kind::AnyData | Kind::AnyXml)) && element.children.is_empty();
    if kind == Some(Kind::Leaf) || (has_none && (kind.is_none() || !element.text.trim().is_empty())) {
        let is_empty = node
            .and_then(|id| schema.node(id).ty.as_ref())
            .is_some_and(|ty| matches!(schema.real_type(ty).base, Base::Empty));
        match is_empty {
            true => out.push_str(&format!("{path}\n")),
            false => out.push_str(&format!("{path}={}\n", one_line(&value))),
        }
        return;
    }
    let keys = node.map(|id| schema.node(id).keys.as_slice()).unwrap_or_default();
    let is_key = |child: &Element| child.namespace == element.namespace && keys.contains(&child.name);
    for key in keys {
        let found = element.children.iter().find(|child| is_key(child) && child.name == *key);
        let Some(child) = found else { continue };
        let value = resolve_text(schema, node, child);
        path.push_str(&format!("[{key}={}]", quoted(&value)));
    }
    let others: Vec<&Element> = element.children.iter().filter(|child| !is_key(child)).collect();
    if others.is_empty() {
        out.push_str(&format!("{path}\n"));
    }
    path.push('/');
    let inside = resolve::below_of(schema, node, element, siblings);
    for child in others {
        lines(schema, inside, &element.children, child, &path, module, out);
    }
}

fn resolve_text(schema: &Schema, parent: Option<NodeId>, element: &Element) -> String {
    let module = schema.find_namespace(&element.namespace).map(|id| schema.module(id).name.as_str());
    let node = module.and_then(|module| schema.child(parent, module, &element.name));
    node.map_or_else(|| element.text.clone(), |id| text(schema, id, element))
}

/// The value of a leaf with the names of modules in place of prefixes.
fn text(schema: &Schema, id: NodeId, element: &Element) -> String {
    let node = schema.node(id);
    match &node.ty {
        Some(ty) => schema.from_prefixes(ty, node.module, &element.text, &element.prefixes),
        None => element.text.clone(),
    }
}

/// A value that would not stay in its line, or would be taken for such a one, as a JSON string.
fn one_line(value: &str) -> String {
    match value.starts_with('"') || value.chars().any(char::is_control) {
        true => serde_json::Value::from(value).to_string(),
        false => value.to_owned(),
    }
}

/// The entries of one list as a table; none if the data is something else.
fn table(schema: &Schema, parent: Option<NodeId>, data: &[Element]) -> Option<String> {
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    let mut list = None;
    for element in data {
        entries(schema, parent, element, &[], &mut list, &mut rows)?;
    }
    list?;
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let order = list.map(|id| order(schema, id)).unwrap_or_default();
    let place = |name: &str| order.iter().position(|known| known == name);
    // Keys of the lists above stand first, as they came.
    columns.sort_by_key(|name| place(name).map_or(0, |place| place + 1));
    let is_terminal = std::io::stdout().is_terminal();
    let mut cells = vec![columns.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>()];
    for row in &rows {
        let cell = |column: &&str| {
            let all: Vec<&str> =
                row.iter().filter(|(name, _)| name == column).map(|(_, value)| value.as_str()).collect();
            cell(&all.join(","), is_terminal)
        };
        cells.push(columns.iter().map(cell).collect());
    }
    Some(aligned(&cells))
}

/// The names of a list's columns in the order of the schema, keys first.
fn order(schema: &Schema, list: NodeId) -> Vec<String> {
    let mut names: Vec<String> = schema.node(list).keys.clone();
    for id in schema.data(Some(list)) {
        let node = schema.node(id);
        if node.kind == Kind::Container {
            names.extend(
                schema.data(Some(id)).iter().map(|leaf| format!("{}/{}", node.name, schema.node(*leaf).name)),
            );
        }
        names.push(node.name.clone());
    }
    names
}

/// Finds the entries of the only list in an element; `above` are the keys of the lists that it is in. None if there is
/// anything else.
fn entries(
    schema: &Schema,
    parent: Option<NodeId>,
    element: &Element,
    above: &[(String, String)],
    list: &mut Option<NodeId>,
    rows: &mut Vec<Vec<(String, String)>>,
) -> Option<()> {
    let module = schema.find_namespace(&element.namespace)?;
    let node = schema.child(parent, &schema.module(module).name, &element.name)?;
    let known = schema.node(node);
    let is_key = |child: &&Element| known.keys.contains(&child.name) && child.namespace == element.namespace;
    let others: Vec<&Element> = element.children.iter().filter(|child| !is_key(child)).collect();
    let goes_on = others.len() == 1
        && others.iter().all(|child| kind_of(schema, node, child) == Some(Kind::List))
        || others.len() > 1
            && others
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.name == b.name && a.namespace == b.namespace))
            && others.iter().all(|child| kind_of(schema, node, child) == Some(Kind::List));
    match known.kind {
        Kind::Container if others.len() == 1 || goes_on => {
            for child in others {
                entries(schema, Some(node), child, above, list, rows)?;
            }
            Some(())
        }
        Kind::List if goes_on && list.is_none_or(|list| list != node) && !element.children.is_empty() => {
            let mut keys = above.to_vec();
            for key in element.children.iter().filter(is_key) {
                keys.push((format!("{} {}", element.name, key.name), resolve_text(schema, Some(node), key)));
            }
            for child in others {
                entries(schema, Some(node), child, &keys, list, rows)?;
            }
            Some(())
        }
        Kind::List if list.is_none_or(|list| list == node) => {
            *list = Some(node);
            let mut row = above.to_vec();
            for child in &element.children {
                cells(schema, node, child, "", &mut row);
            }
            rows.push(row);
            Some(())
        }
        _ => None,
    }
}

fn kind_of(schema: &Schema, parent: NodeId, element: &Element) -> Option<Kind> {
    let module = schema.find_namespace(&element.namespace)?;
    let node = schema.child(Some(parent), &schema.module(module).name, &element.name)?;
    Some(schema.node(node).kind)
}

/// The columns of a node of an entry: leafs, those of containers, and how many entries other lists have.
fn cells(schema: &Schema, parent: NodeId, element: &Element, before: &str, row: &mut Vec<(String, String)>) {
    let module = schema.find_namespace(&element.namespace).map(|id| schema.module(id).name.as_str());
    let node = module.and_then(|module| schema.child(Some(parent), module, &element.name));
    let name = format!("{before}{}", element.name);
    let Some(node) = node else {
        row.push((name, element.text.clone()));
        return;
    };
    match schema.node(node).kind {
        Kind::Container if before.is_empty() => {
            for child in &element.children {
                cells(schema, node, child, &format!("{name}/"), row);
            }
        }
        Kind::Leaf | Kind::LeafList => {
            let ty = schema.node(node).ty.as_ref();
            let is_empty = ty.is_some_and(|ty| matches!(schema.real_type(ty).base, Base::Empty));
            row.push((name, if is_empty { "yes".to_owned() } else { text(schema, node, element) }));
        }
        Kind::List => match row.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count = (count.parse::<usize>().unwrap_or_default() + 1).to_string(),
            None => row.push((name, "1".to_owned())),
        },
        _ => row.push((name, "…".to_owned())),
    }
}

/// A value in a cell: in one line and, on a terminal, not too long. Control characters are not for the terminal.
fn cell(value: &str, is_terminal: bool) -> String {
    let plain: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !is_terminal || plain.width() <= CELL_MAX {
        return plain;
    }
    let mut cut = String::new();
    let mut width = 0;
    for c in plain.chars() {
        width += c.width().unwrap_or_default();
        if width >= CELL_MAX {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

/// Rows with their columns one below the other, two spaces apart.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::schema::Text;

    const TEXT: &str = "module a { namespace urn:a; prefix a; identity root; identity one { base root; } container c { list l { key k;
            leaf k { type string; } leaf v { type string; } leaf-list t { type string; } leaf-list u { type string; }
            container d { leaf x { type empty; } } list n { key i; leaf i { type uint8; } leaf w { type string; } }
            leaf kind { type identityref { base root; } } } leaf z { type string; } } }";

    fn schema() -> Schema {
        Schema::read(&[Text { text: TEXT.to_owned(), implemented: true, features: Vec::new() }])
    }

    fn read(text: &str) -> Vec<Element> {
        vec![Element::parse(text.as_bytes(), 20).unwrap()]
    }

    #[test]
    fn a_list_is_a_table_in_the_order_of_the_schema() {
        let data = read(
            "<c xmlns='urn:a'><l><v>長い</v><k>1</k><t>a</t><t>b</t></l>\
             <l><k>22</k><v>x\ny</v><d><x/></d><n><i>1</i></n><n><i>2</i></n></l></c>",
        );
        assert_eq!(
            shown(&schema(), None, &data, Format::Table),
            "K   V     T    D/X  N\n1   長い  a,b\n22  x y        yes  2\n"
        );
    }

    #[test]
    fn the_keys_of_lists_above_are_columns_too() {
        let data =
            read("<c xmlns='urn:a'><l><k>1</k><n><i>1</i><w>x</w></n></l><l><k>2</k><n><i>3</i></n></l></c>");
        assert_eq!(shown(&schema(), None, &data, Format::Table), "L K  I  W\n1    1  x\n2    3\n");
    }

    #[test]
    fn paths_name_every_value_with_its_keys() {
        let data = read(
            "<c xmlns='urn:a' xmlns:p='urn:a'><l><k>it's</k><v>a\n\"b</v><t>x</t><d><x/></d><kind>p:one</kind></l><l><k>2</k></l>\
             <z>a=b</z></c>",
        );
        assert_eq!(
            shown(&schema(), None, &data, Format::Table),
            "/a:c/l[k=\"it's\"]/v=\"a\\n\\\"b\"\n/a:c/l[k=\"it's\"]/t[.='x']\n/a:c/l[k=\"it's\"]/d/x\n\
             /a:c/l[k=\"it's\"]/kind=a:one\n/a:c/l[k='2']\n/a:c/z=a=b\n"
        );
    }

    #[test]
    fn what_is_in_anydata_is_shown_by_the_schema() {
        let text = "module b { namespace urn:b; prefix b; anyxml d; container e { leaf target { type string; } anydata value; } }";
        let mut texts = vec![Text { text: text.to_owned(), implemented: true, features: Vec::new() }];
        texts.push(Text { text: TEXT.to_owned(), implemented: true, features: Vec::new() });
        let schema = Schema::read(&texts);
        let shown = |text: &str| shown(&schema, None, &read(text), Format::Table);
        assert_eq!(
            shown("<d xmlns='urn:b'><c xmlns='urn:a'><l><k>1</k><v>x</v></l></c></d>"),
            "/b:d/a:c/l[k='1']/v=x\n"
        );
        for target in ["/a:c/l=1", "/a:c"] {
            let text = format!(
                "<e xmlns='urn:b'><target>{target}</target><value><l xmlns='urn:a'><k>1</k><t>x</t></l></value></e>"
            );
            let lines = format!("/b:e/target={target}\n/b:e/value/a:l[k='1']/t[.='x']\n");
            assert_eq!(shown(&text), lines);
        }
        assert_eq!(shown("<d xmlns='urn:b'>x</d>"), "/b:d=x\n");
    }

    #[test]
    fn a_terminal_gets_whole_lines_of_nothing_that_it_would_obey() {
        let mut terminal = Plain { output: Vec::new(), line: Vec::new() };
        for octets in ["a\u{9b}31m\u{202e}b\n\u{e4}".as_bytes(), b"\x1b[2J\n"] {
            octets.chunks(3).for_each(|some| terminal.write_all(some).unwrap());
        }
        terminal.flush().unwrap();
        assert_eq!(String::from_utf8(terminal.output).unwrap(), "a 31m b\n\u{e4} [2J\n");
        assert!(matches!(plain("a\nb"), Cow::Borrowed(_)));
    }

    #[test]
    fn xml_is_one_document() {
        let element = read("<c xmlns='urn:a'/>").remove(0);
        assert_eq!(xml(std::slice::from_ref(&element)), "<c xmlns=\"urn:a\"/>\n");
        assert!(xml(&[element.clone(), element]).starts_with("<data xmlns="));
        assert_eq!(xml(&[]), "");
    }
}
