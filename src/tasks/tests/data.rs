//! Data objects: parts in, parts out, who may refer to them and how much there may be.

use super::*;
use crate::yang::generated::magent_types::DataType;

fn part(id: &str, text: &str, offset: u64, more: bool) -> PutDataInput {
    let text = Some(text.to_owned());
    PutDataInput { id: Some(id.into()), text, offset, more, ..PutDataInput::new("oss") }
}

fn octets(id: &str, binary: Vec<u8>, offset: u64, more: bool) -> PutDataInput {
    PutDataInput { text: None, binary: Some(binary), ..part(id, "", offset, more) }
}

impl World {
    fn try_put(&self, input: PutDataInput) -> Result<(Vec<Event>, PutDataOutput), Error> {
        self.tasks.put_data(&mut self.fresh(), input, None, &self.limits)
    }

    fn put(&mut self, input: PutDataInput) -> PutDataOutput {
        let decided = self.try_put(input);
        self.done(decided)
    }

    fn read(&self, id: &str, offset: u64, length: Option<u32>) -> Result<ReadOutput, Error> {
        self.tasks.read(id, &ReadInput { offset, length }, None, &self.limits)
    }

    fn object(&self, id: &str) -> DataObject {
        DataObject::from_data(&self.tasks.data_objects().get(&Key::string(id)).unwrap()).unwrap()
    }
}

fn attached(id: &str) -> AssignTaskInputData {
    AssignTaskInputData::new(id)
}

#[test]
fn parts_follow_each_other_without_a_gap() {
    let mut world = World::new();
    refused(world.try_put(part("d-1", "x", 1, true)), "bad-offset");
    let output = world.put(part("d-1", "links: ", 0, true));
    assert_eq!((output.size, output.complete), (Some(7), false));
    refused(world.try_put(part("d-1", "17", 0, false)), "bad-offset");
    refused(world.try_put(octets("d-1", vec![1], 7, false)), "bad-offset");
    refused(world.try_put(PutDataInput { from: "ip".into(), ..part("d-1", "17", 7, false) }), "id-in-use");
    assert_eq!(world.read("d-1", 0, None).unwrap().next_offset, Some(7), "the rest has not come");
    refused(world.read("d-1", 7, None), "data-incomplete");
    let described = PutDataInput { data_type: Some(DataType::Text), ..part("d-1", "17, 18", 7, false) };
    assert!(world.put(described).complete);
    refused(world.try_put(part("d-1", "x", 0, false)), "id-in-use");
    refused(world.try_put(part("d-1", "x", 13, false)), "bad-offset");
    let read = world.read("d-1", 0, None).unwrap();
    assert_eq!((read.text.as_deref(), read.next_offset), (Some("links: 17, 18"), None));
    assert_eq!(read.binary, None);
    assert_eq!((world.object("d-1").size, world.object("d-1").data_type), (Some(13), Some(DataType::Text)));
    assert_eq!(world.put(PutDataInput { id: None, ..part("", "x", 0, false) }).id.len(), 36, "a UUID");
    refused(world.try_put(PutDataInput { text: None, ..part("d-2", "", 0, false) }), "content-missing");
}

#[test]
fn text_is_read_in_whole_characters() {
    let mut world = World::new();
    world.put(part("d-1", "größer €", 0, false));
    let read = world.read("d-1", 0, Some(3)).unwrap();
    assert_eq!((read.text.as_deref(), read.next_offset), (Some("gr"), Some(2)));
    let read = world.read("d-1", 2, Some(4)).unwrap();
    assert_eq!((read.text.as_deref(), read.next_offset), (Some("öß"), Some(6)));
    refused(world.read("d-1", 3, None), "bad-offset");
    refused(world.read("d-1", 9, Some(2)), "bad-offset");
    assert_eq!(world.read("d-1", 9, Some(3)).unwrap().text.as_deref(), Some("€"));
    assert_eq!(world.read("d-1", 12, None).unwrap().text.as_deref(), Some(""));
    refused(world.read("d-1", 13, None), "bad-offset");
    refused(world.read("d-2", 0, None), "unknown-reference");
}

#[test]
fn octets_come_back_as_they_were_whatever_the_parts() {
    let mut world = World::new();
    world.limits.data_read_bytes_max = 10_007;
    let whole: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut given = 0;
    for size in [1, 0, 30_000, 40_000, 70_000, 3, 59_996] {
        let last = given + size == whole.len();
        world.put(octets("d-1", whole[given..given + size].to_vec(), given as u64, !last));
        given += size;
    }
    let (mut read, mut next) = (Vec::new(), Some(0));
    while let Some(offset) = next {
        let output = world.read("d-1", offset, None).unwrap();
        read.extend(output.binary.unwrap());
        next = output.next_offset;
    }
    assert_eq!(read, whole);
}

#[test]
fn a_url_is_kept_and_not_fetched() {
    let mut world = World::new();
    let url = Some("https://files.example/17".to_owned());
    let input = PutDataInput { text: None, url: url.clone(), ..part("d-1", "", 0, false) };
    refused(world.try_put(PutDataInput { more: true, ..input.clone() }), "bad-offset");
    let output = world.put(input);
    assert_eq!((output.size, output.complete), (None, true));
    refused(world.read("d-1", 0, None), "data-elsewhere");
    assert_eq!((world.object("d-1").url, world.object("d-1").size), (url, None));
}

#[test]
fn attachments_make_objects_or_refer_to_complete_ones() {
    let mut world = World::new();
    world.put(part("d-1", "half", 0, true));
    let data = |data: AssignTaskInputData| AssignTaskInput { data: vec![data], ..order("t-1") };
    refused(world.try_assign(data(attached("d-1"))), "data-incomplete");
    refused(
        world.try_assign(data(AssignTaskInputData { text: Some("x".into()), ..attached("d-1") })),
        "id-in-use",
    );
    world.put(part("d-1", "whole", 4, false));
    let mut input = data(attached("d-1"));
    input.data.push(AssignTaskInputData { binary: Some(vec![0xff]), ..attached("d-2") });
    world.assign(input.clone());
    assert_eq!(world.task().data, ["d-1", "d-2"]);
    assert_eq!(world.object("d-2").owner.as_deref(), Some("oss"));
    assert_eq!(world.read("d-2", 0, None).unwrap().binary, Some(vec![0xff]));
    assert!(world.try_assign(input.clone()).unwrap().0.is_empty(), "the same assignment again");
    input.data.pop();
    refused(world.try_assign(input), "id-in-use");
}

#[test]
fn an_agent_passes_on_only_what_it_can_read() {
    let mut world = World::new();
    world.put(part("d-1", "secret", 0, false));
    let spy = |id| AssignTaskInput {
        from: "spy".into(),
        to: "spy".into(),
        data: vec![attached("d-1")],
        ..order(id)
    };
    refused(world.try_assign(spy("t-2")), "unknown-reference");
    world.assign(AssignTaskInput { data: vec![attached("d-1")], ..order("t-1") });
    assert_eq!(world.tasks.readers("d-1"), ["oss", "ip"]);
    world.assign(AssignTaskInput {
        from: "ip".into(),
        to: "field".into(),
        data: vec![attached("d-1")],
        ..order("t-3")
    });
    assert_eq!(world.tasks.readers("d-1"), ["oss", "field", "ip"]);
    refused(world.try_assign(spy("t-2")), "unknown-reference");
    world.tasks.share(&["d-1".into()], &["spy"]);
    assert!(world.try_assign(spy("t-2")).is_ok(), "given in a negotiation");
}

#[test]
fn data_that_came_another_way_is_nobodys_and_can_change() {
    let mut world = World::new();
    let given = |id: &str, text: Option<&str>| {
        Event::external(
            id.into(),
            DataType::Text,
            None,
            Some("text/plain".into()),
            text.map(str::to_owned),
            None,
        )
    };
    world.happen(vec![given("d-1", None)]);
    let input = AssignTaskInput { data: vec![attached("d-1")], ..order("t-1") };
    refused(world.try_assign(input.clone()), "data-incomplete");
    world.happen(vec![given("d-1", Some("alarm 1")), given("d-1", Some("alarm"))]);
    world.assign(input);
    assert_eq!(world.read("d-1", 0, None).unwrap().text.as_deref(), Some("alarm"));
    assert!(world.tasks.readers("d-1").is_empty());
    world.put(part("d-2", "mine", 0, false));
    world.happen(vec![given("d-2", Some("not yours"))]);
    assert_eq!(world.read("d-2", 0, None).unwrap().text.as_deref(), Some("mine"));
}

#[test]
fn quotas_hold() {
    let mut world = World::new();
    world.limits.data_object_bytes_max = 10;
    world.limits.data_owner_bytes_max = 15;
    world.limits.data_bytes_max = 20;
    world.limits.data_objects_max = 3;
    let error = world.try_put(part("d-1", "eleven char", 0, false)).map(drop).unwrap_err();
    assert_eq!((error.tag, error.app_tag.as_deref()), (crate::yang::error::Tag::TooBig, Some("bad-offset")));
    world.put(part("d-1", "ten chars.", 0, false));
    refused(world.try_put(part("d-2", "sixsix", 0, false)), "too-many");
    world.put(part("d-2", "fives", 0, false));
    let other = |id, text| PutDataInput { from: "ip".into(), ..part(id, text, 0, false) };
    refused(world.try_put(other("d-3", "sixsix")), "too-many");
    world.put(other("d-3", "four"));
    refused(world.try_put(other("d-4", "")), "too-many");
    let two = AssignTaskInput {
        data: ["d-5", "d-6"]
            .map(|id| AssignTaskInputData { text: Some(String::new()), ..attached(id) })
            .to_vec(),
        ..order("t-1")
    };
    world.limits.data_objects_max = 4;
    refused(world.try_assign(two), "too-many");
}
