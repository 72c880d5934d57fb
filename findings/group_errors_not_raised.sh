#!/bin/sh
# kafka-python 3.0.12 `describe_groups` raises no error of a group: it stands as text in the result.
#
# Versions:  kafka-python 3.0.12.
# Input:     the answer of a broker to DescribeGroups for a group that the caller may not describe:
#            error 30, GROUP_AUTHORIZATION_FAILED, and no members. No broker is needed: the answer
#            is made of the library's own classes, and given to the method that reads answers.
# Expected:  "Any errors are immediately raised", says the docstring of `describe_groups`.
# Seen:      nothing is raised. The group has `members: []`, as a group without members has, and
#            `error` is a text: who looks at the members only takes a refusal for an idle group.
# So:        crossregion/kafka/groups.py looks at `error` first.
#
# Needs Python 3.11 or newer and a package index. Uses nothing of this project. Exit status 0 if the
# behaviour is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check kafka-python==3.0.12

cat > "$folder/expected" <<'TEXT'
docstring: Any errors are immediately raised.
refused: members [] error '[Error 30] GroupAuthorizationFailedError: '
empty: members [] error None
TEXT

"$folder/venv/bin/python" - > "$folder/seen" <<'PYTHON'
from kafka.admin import KafkaAdminClient
from kafka.errors import GroupAuthorizationFailedError
from kafka.protocol.admin import DescribeGroupsResponse

described = KafkaAdminClient.describe_groups.__doc__.splitlines()
print("docstring:", *(line.strip() for line in described if "errors" in line))

Group = DescribeGroupsResponse.DescribedGroup
codes = {"refused": GroupAuthorizationFailedError.errno, "empty": 0}
groups = [
    Group(error_code=code, group_id=name, group_state="", protocol_type="", protocol_data="",
          members=[], authorized_operations=set(), error_message="")
    for name, code in codes.items()
]
answer = DescribeGroupsResponse(throttle_time_ms=0, groups=groups)
reader = KafkaAdminClient.__new__(KafkaAdminClient)
for name, group in reader._describe_groups_process_response(answer).items():
    print(f"{name}: members {group['members']} error {group['error']!r}")
PYTHON

cat "$folder/seen"
diff "$folder/expected" "$folder/seen" || { echo "the behaviour has changed" >&2; exit 1; }
