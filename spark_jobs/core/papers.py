"""The papers whose methods are implemented here; modules name theirs in a constant `PAPERS`.

    PAPERS = ("MetaCLIP, algorithm 1: captions kept by the probabilities of their entries",)

Each line names a paper of `CITATIONS`, the place in the paper or in its published code, and what
the module does of it.
"""

CITATIONS = {
    "CLIP": "Learning transferable visual models from natural language supervision "
    "(Radford et al. 2021)",
    "CLIPScore": "CLIPScore, a reference-free evaluation metric for image captioning "
    "(Hessel et al. 2021)",
    "MetaCLIP": "Demystifying CLIP data (Xu et al. 2023)",
    "MetaCLIP 2": "MetaCLIP 2, a worldwide scaling recipe (Chuang et al. 2025)",
    "SynthCLIP": "SynthCLIP, are we ready for a fully synthetic CLIP training? "
    "(Hammoud et al. 2024)",
    "LAIONet": "What makes ImageNet look unlike LAION (Shirali & Hardt 2023)",
    "ImageNet-Captions": "Data determines distributional robustness in contrastive language-image "
    "pre-training (Fang et al. 2022)",
    "clip-beyond-tail": "What makes CLIP more robust to long-tailed pre-training data? "
    "(Wen et al. 2024)",
    "YFCC15M-Cls": "The classes that Wen et al. 2024 give captions of YFCC15M and CC12M",
    "unmet-promise": "The unmet promise of synthetic training images (Geng et al. 2024)",
    "Neglected tails": "The neglected tails in vision-language models (Parashar et al. 2024)",
    "ImageNet-100": "Contrastive multiview coding (Tian et al. 2020)",
    "DataComp": "DataComp, in search of the next generation of multimodal datasets "
    "(Gadre et al. 2023)",
    "Nguyen 2023": "Improving multimodal datasets with image captioning (Nguyen et al. 2023)",
    "CABS": "Concept-aware batch sampling improves language-image pretraining (Ghosh et al. 2026)",
    "BLEU": "BLEU, a method for automatic evaluation of machine translation (Papineni et al. 2002)",
    "SimCSE": "SimCSE, simple contrastive learning of sentence embeddings (Gao et al. 2021)",
    "Alignment and uniformity": "Understanding contrastive representation learning through "
    "alignment and uniformity on the hypersphere (Wang & Isola 2020)",
    "CIDEr": "CIDEr, consensus-based image description evaluation (Vedantam et al. 2015)",
}
