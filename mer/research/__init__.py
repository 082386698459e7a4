"""How the house network is made, measured and compared with the networks of papers.

Run it as ``python -m mer.research COMMAND``. Its packages are the extra ``research``. No module
outside this package imports it.

Docstrings cite the papers by these names, ``[Li, eq. 3]``:

- **Li**: Li, cross-modal Transformer with dynamic attention fusion, Informatica.
- **Wang**: Wang, DeBERTa and ResNet-50 with bidirectional cross-attention,
  Traitement du Signal 42(4), 2025.
- **Gujar**: Gujar & Reha, CRNN and attention fusion of three text views, ShodhKosh 7(5s), 2026.
- **HCMA**: Zhao, Ru, Yu, Wu, Li & Li, hierarchical cross-modal attention network.
- **LGFN**: Lyrics-aware gate fusion network, bioRxiv 2025.08.11.669801.
"""
