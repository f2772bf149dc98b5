product = 通脈
