# 藏文（བོད་ཡིག）：尚待母语审校。缺的字句取自 zh-CN.ftl。
nav-people = མི་འཚོལ་བ
nav-help = རོགས་རམ
display = སྐད་ཡིག
find-button = འཚོལ།
text-large = ཡིག་གཟུགས་ཆེན་པོ
people-title = མི་འཚོལ་བ
born = སྐྱེས་ཚེས
phone = ཁ་པར
date = ཚེས་གྲངས
medicines = སྨན
gender-male = ཕོ
gender-female = མོ
age-days = ཉིན་ { $n }
age-months = ཟླ་བ་ { $n }
age-years = ལོ་ { $n }
type-Patient = ནད་པ
type-Practitioner = སྨན་པ
