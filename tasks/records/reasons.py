"""The typed reasons for which a photo or a group is quarantined. Knows no step."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a photo or a group did not make it. The value is what `quarantine.jsonl` says."""

    # photos
    EMPTY_FILE = "empty_file"
    """Zero bytes."""
    NOT_AN_IMAGE = "not_an_image"
    """The bytes are no picture, whatever the name says."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """A picture in a format that is not read: GIF, BMP, TIFF, a camera's RAW and the like."""
    EXTENSION_MISMATCH = "extension_mismatch"
    """The name says JPEG and the bytes say PNG, or the other way round. Only of older runs: such photos are read."""
    TRUNCATED_IMAGE = "truncated_image"
    """The file ends before the picture does: an upload was cut off."""
    CORRUPT_IMAGE = "corrupt_image"
    """The file is complete but its data cannot be decoded."""
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TOO_ELONGATED = "too_elongated"
    """One side is so much longer than the other that the model's processor refuses it."""
    BAD_NAME = "bad_name"
    """The file or folder name cannot be published: not UTF-8, or with control characters."""
    UNREADABLE = "unreadable"
    """The store does not let us read it."""
    CHANGED = "changed"
    """The bytes that the model was to see are not those that were verified."""
    SUMMARY_INVALID = "summary_invalid"
    """The model answered, the retry ladder ended, and no answer obeyed the grammar."""
    PROMPT_TOO_LONG = "prompt_too_long"
    """The question and its answer do not fit what the model can take; it is never cut."""
    CAPTION_INVALID = "caption_invalid"
    """The model answered, and the dense caption breaks its rules."""
    CONTENT_REFUSED = "content_refused"
    """The content filter of a server refused the photo or the answer."""
    REQUEST_REFUSED = "request_refused"
    """A server will not answer for this photo, and answers for others."""
    ANSWER_REPEATS = "answer_repeats"
    """A server broke off an answer because it repeats itself."""
    ANSWER_BROKEN_OFF = "answer_broken_off"
    """A server ended the answer neither at its end nor at the token limit, each time."""
    ENGINE_FAILED = "engine_failed"
    """The engine, or the server behind it, fails on this photo each time, and answers for others."""
    NO_SCORES = "no_scores"
    """A server does not say how likely the answers are that were to be compared."""
    # groups
    EMPTY_GROUP = "empty_group"
    """A group folder without any photo."""
    UNCLEAR_LABEL = "unclear_label"
    """The folder around the group is nearly a label's, and none: a blank in it, other signs, another word."""
    MARKER_MISSING = "marker_missing"
    """Markers are required and the group has none."""
    DUPLICATE_PHOTO = "duplicate_photo"
    """The same bytes twice in one group, where duplicates are refused."""
    PHOTO_REJECTED = "photo_rejected"
    """At least one photo of the group is quarantined, and the group with it."""


PASSING = frozenset(
    {
        Reason.UNREADABLE,
        Reason.CHANGED,
        Reason.CONTENT_REFUSED,
        Reason.REQUEST_REFUSED,
        Reason.ANSWER_BROKEN_OFF,
        Reason.ENGINE_FAILED,
        Reason.NO_SCORES,
    }
)
"""Reasons that say nothing of the photo's bytes, or that a server's operator can change: the next run tries again."""

REDECODED = frozenset({Reason.ANSWER_REPEATS})
"""Reasons for which another decoding can help: the retry ladder goes on."""
