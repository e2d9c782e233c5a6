"""ORTC negotiation: pure functions from frozen dictionaries to new frozen dictionaries.

The chain, as in mediasoup's ortc.ts (nothing here keeps state, and no input is changed):

    media codecs ──capabilities──> router capabilities
    produced parameters ──validate, produce──> producer type, RtpMapping, consumable parameters
    consumable parameters + client capabilities ──consume──> consumer parameters
    consumable parameters ──pipe──> pipe consumer parameters

What clients send is refused with `CommandError`s, of these slugs: `invalid-rtp-parameters`, `invalid-rtp-capabilities`,
`too-many-codecs`, `unsupported-codec`, `unsupported-simulcast`, `unsupported-scalability-mode`, `no-common-codec`.
"""
