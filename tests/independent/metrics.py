"""Reads the metrics with Prometheus' own parser: form, names by its conventions, histograms that add up, and counters that
only grow. It never looks at a sample of which it has not read the family."""

import ssl
import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

https, operations, ca, token = sys.argv[1:]


def scrape():
    with urllib.request.urlopen(f"http://{operations}/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", answer.headers
        families = list(text_string_to_metric_families(answer.read().decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family is there twice"
    return {family.name: family for family in families}


def values(families):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): (sample.value, family.type)
        for family in families.values()
        for sample in family.samples
    }


first = scrape()
trust = ssl.create_default_context(cafile=ca)
asked = urllib.request.Request(f"https://{https}/restconf", headers={"Authorization": f"Bearer {token}"})
with urllib.request.urlopen(asked, context=trust) as answer:
    assert answer.status == 200
second = scrape()

for name, family in second.items():
    assert family.type in ("counter", "gauge", "histogram") and family.documentation, name
    assert name.startswith(("agentconf_", "process_")), name
    for sample in family.samples:
        assert family.type != "counter" or sample.name == name + "_total", sample
        assert not ("duration" in name) or "_seconds" in name, sample
    if family.type != "histogram":
        continue
    series = {}
    for sample in family.samples:
        labels = tuple(sorted(item for item in sample.labels.items() if item[0] != "le"))
        part = series.setdefault(labels, {"buckets": []})
        if sample.name == name + "_bucket":
            part["buckets"].append((float(sample.labels["le"]), sample.value))
        else:
            part[sample.name.removeprefix(name)] = sample.value
    for labels, part in series.items():
        bounds, counts = zip(*part["buckets"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), (name, labels)
        assert list(counts) == sorted(counts) and counts[-1] == part["_count"], (name, labels)
        assert part["_sum"] >= 0 and (part["_count"] > 0 or part["_sum"] == 0), (name, labels)

before, after = values(first), values(second)
for key, (value, kind) in before.items():
    assert kind == "gauge" or after[key][0] >= value, key
get = ("agentconf_http_requests_total", (("method", "GET"), ("scheme", "https"), ("status", "2xx")))
assert after[get][0] == 1, after[get]
print(f"{len(second)} families, {len(after)} samples")
print("OK")
