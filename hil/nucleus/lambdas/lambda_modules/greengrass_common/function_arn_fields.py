"""Parses a function's ARN: `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`."""

FIELDS = 7


class FunctionArnFields:
    """The fields of a function's ARN; ValueError if it is not one."""

    def __init__(self, function_arn: str) -> None:
        fields = function_arn.split(":")
        if fields[:3] != ["arn", "aws", "lambda"] or fields[5:6] != ["function"]:
            raise ValueError(f"found {function_arn!r}; expected the ARN of a Lambda function")
        if not FIELDS <= len(fields) <= FIELDS + 1:
            raise ValueError(f"found {len(fields)} fields in {function_arn!r}; expected 7 or 8")
        self.region, self.account_id, self.name = fields[3], fields[4], fields[6]
        self.qualifier = fields[FIELDS] if len(fields) > FIELDS else ""
        self.unqualified_arn = ":".join(fields[:FIELDS])

    @staticmethod
    def build_function_arn(unqualified_arn: str, qualifier: str) -> str:
        """The ARN with its qualifier, if there is one."""
        return f"{unqualified_arn}:{qualifier}" if qualifier else unqualified_arn
