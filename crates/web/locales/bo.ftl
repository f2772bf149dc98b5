product = 通脉
