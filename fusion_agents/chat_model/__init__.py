"""Query-level fusion as a chat model."""

from fusion_agents.chat_model.binding import FusionBinding
from fusion_agents.chat_model.model import ChatFusion
from fusion_agents.chat_model.structured import StructuredFusion

__all__ = ["ChatFusion", "FusionBinding", "StructuredFusion"]
