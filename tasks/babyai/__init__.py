"""Multi-Task BabyAI: instructions in words, a partial view, two attempts at every layout.

Source: Chevalier-Boisvert et al. 2019, "BabyAI: A Platform to Study the Sample Efficiency of Grounded Language
Learning"; Chevalier-Boisvert et al. 2023, "Minigrid & Miniworld" (the simulator); Grigsby et al. 2024, "AMAGO-2:
Breaking the Multi-Task Barrier in Meta-Reinforcement Learning with Transformers", Multi-Task BabyAI (the protocol).
"""

from tasks.babyai.source import Babyai
from tasks.babyai.suites import babyai_68, babyai_quick

__all__ = ["Babyai", "babyai_68", "babyai_quick"]
