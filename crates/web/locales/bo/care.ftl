# Surveys, questionnaires, follow-up lists, organisations' layers, and what rules say.
