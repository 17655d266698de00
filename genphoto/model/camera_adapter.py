"""CameraAdapter: what turns a camera sweep into features that steer a lifted model."""

from __future__ import annotations

from torch import Tensor, nn

from ..camera.sweep import CameraSweep
from .backbone import Backbone
from .camera_encoder import DifferentialCameraEncoder
from .config import EncoderSizes
from .differential import camera_embedding
from .lift import ActiveCamera, CameraMerges
from .steering import CameraQuestion, Steering


class CameraAdapter(nn.Module):
    """Encoder and merges that learned to steer some settings. Knows no host: the text encoder is the host's.

    A host asks `question` what a sweep means to the adapter, encodes its prompts, and gets the `answer`. One that moves
    networks itself calls `embedding` and `encoder` in turn.

    Args:
        steering: what it steers.
        encoder: makes features of a camera embedding.
        merges: through which the features enter the motion modules.

    Raises:
        ValueError: if the encoder takes another number of coarse priors than there are settings.
    """

    def __init__(self, steering: Steering, encoder: DifferentialCameraEncoder, merges: CameraMerges):
        super().__init__()
        if encoder.priors != steering.priors:
            raise ValueError(
                f"The camera encoder takes {encoder.priors} coarse prior(s), but the adapter steers "
                f"{steering.name or 'one setting'}, which are {steering.priors}."
            )
        self.steering = steering
        self.encoder = encoder
        self.merges = merges

    @classmethod
    def untrained(cls, steering: Steering, backbone: Backbone, sizes: EncoderSizes) -> CameraAdapter:
        """An adapter of random weights, whose merges add nothing."""
        encoder = DifferentialCameraEncoder(backbone, sizes, priors=steering.priors)
        return cls(steering, encoder, CameraMerges(backbone))

    @property
    def backbone(self) -> Backbone:
        """What it was made for."""
        return self.encoder.backbone

    @property
    def sizes(self) -> EncoderSizes:
        """Those of its encoder."""
        return self.encoder.sizes

    def question(self, sweep: CameraSweep) -> CameraQuestion:
        """What a sweep asks: coarse priors, camera prompts, magnifications.

        Raises:
            ValueError: if the adapter does not steer this sweep.
        """
        return self.steering.question(sweep)

    def concerns(self, sweep: CameraSweep) -> list[str]:
        """What of a sweep the frames will not show, or not well, as sentences."""
        return self.steering.concerns(sweep, self.sizes.positions)

    def mismatch(self, vocabulary: str, text_width: int | None = None) -> str | None:
        """Why a text encoder is not the one that the adapter was trained with, as words that fit after "it".

        Args:
            vocabulary: digest of its vocabulary, empty for CLIP's.
            text_width: of its hidden states, where that is known.
        """
        if text_width not in (None, self.backbone.text_width):
            return f"is {text_width} wide, not {self.backbone.text_width}"
        if self.steering.vocabulary and vocabulary != self.steering.vocabulary:
            other = f"the vocabulary {vocabulary}" if vocabulary else "the vocabulary of CLIP"
            return f"has {other}, not {self.steering.vocabulary}, and reads other words in the camera prompts"
        return None

    def embedding(self, question: CameraQuestion, hidden: Tensor) -> Tensor:
        """A question and the hidden states (F,T,D) of its prompts -> camera embedding (1,3 N + 3,F,H,W)."""
        return camera_embedding(question.prior(self.sizes.embedding_size)[None], hidden[None])

    def answer(self, embedding: Tensor, strength: float = 1.0) -> ActiveCamera:
        """The camera at work that a camera embedding (S,3 N + 3,F,H,W) means."""
        return ActiveCamera(self.merges, self.encoder(embedding), strength)
