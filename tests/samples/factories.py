"""Sample sets for tests, made over HTTP."""

from typing import Any

from tests.fixtures.callers import Person


async def create_sample_set(person: Person, *samples: Any) -> str:
    """The path of a new set with these samples in it; a text stands for a sample with that input."""
    answer = await person.client.post(f"{person.w}/samples/sets", json={"name": "Questions"})
    assert answer.status_code == 201, answer.text
    path: str = answer.headers["Location"]
    if samples:
        body = [{"input": sample} if isinstance(sample, str) else sample for sample in samples]
        added = await person.client.post(f"{path}/samples", json=body)
        assert added.json() == {"created": len(samples), "rejected": [], "rejected_count": 0}, added.text
    return path


async def list_samples(person: Person, path: str) -> list[dict[str, Any]]:
    """The samples of a set, newest first."""
    answer = await person.client.get(f"{path}/samples", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results
