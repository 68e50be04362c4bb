"""What may be wrong with a question to a student, under names that say it as providers' do."""

from fusion_agents.errors import DataError


class ContextOverflowError(DataError):
    """The messages do not fit into the model's context window."""


class InvalidRequestError(DataError):
    """The model cannot be asked this, whenever it is asked: tools, pictures, unknown options."""
