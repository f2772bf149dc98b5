//! The pages people see: server-rendered, small, Chinese and English.
