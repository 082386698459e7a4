"""Music emotion recognition: from audio, lyrics and context to valence and arousal.

A library and a command (``python -m mer``); it knows no web framework, no queue and no database.

The papers it builds on are cited by these names:

- **Li**: Li, cross-modal Transformer with dynamic attention fusion, Informatica.
- **Wang**: Wang, DeBERTa and ResNet-50 with bidirectional cross-attention,
  Traitement du Signal 42(4), 2025.
- **Gujar**: Gujar & Reha, CRNN and attention fusion of three text views, ShodhKosh 7(5s), 2026.
- **HCMA**: Zhao, Ru, Yu, Wu, Li & Li, hierarchical cross-modal attention network.
- **LGFN**: Lyrics-aware gate fusion network, bioRxiv 2025.08.11.669801.
"""
