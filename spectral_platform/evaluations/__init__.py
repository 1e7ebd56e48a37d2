"""What good means: evaluators, rubrics, objectives and the one composite score."""
